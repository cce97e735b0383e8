// A kitchen's screen: from a device that nobody knows to orders that are made, called back and lost sight of.
import assert from 'node:assert/strict';
import { given, inBrowser, please, seen, window } from './kit.mjs';

await inBrowser(async (browser) => {
  const { page, context, quiet, look } = await window(browser, { width: 1920, height: 1080 });
  await page.goto(`${given.url}/kitchen`);
  await page.getByText('This screen is not paired').waitFor();
  quiet();
  seen('a screen that nobody knows says so');

  const { link } = await please('show a code');
  await page.goto(link);
  await page.getByLabel('What this device is').fill('Screen above the bar');
  await page.getByRole('button', { name: 'Pair this device' }).click();
  await page.getByRole('heading', { name: 'Paired as K1' }).waitFor();
  await page.goto(`${given.url}/kitchen?station=bar`);
  // Whoever set the box up has tried a sale, and nobody is to put it away.
  await page.getByText('Nothing to make').waitFor();
  await please('sell practice');
  const practice = page.locator('article').filter({ hasText: 'Practice: do not make' });
  await practice.waitFor();
  await look('kitchen-practice');
  await practice.getByRole('button').click();
  await page.getByText('Nothing to make').waitFor();
  await look('kitchen-quiet');
  seen('a screen that is paired shows what is at its station: what was practised says so, and is put away by a press');

  await please('sell for Ann');
  const ann = page.locator('article').filter({ hasText: 'Ann' });
  await ann.waitFor();
  await ann.getByText('no sugar').waitFor();
  await please('sell for Ben');
  const ben = page.locator('article').filter({ hasText: 'Ben' });
  await ben.waitFor();
  assert.equal(await page.locator('article').first().locator('.order').innerText(), 'Ann', 'who came first is made first');
  await look('kitchen');
  seen('what is sold stands there at once, the oldest first');

  await page.getByRole('button', { name: 'All', exact: true }).click();
  await ann.locator('.about').filter({ hasText: 'bar' }).waitFor();
  // On a screen of a small kitchen no word is cut.
  await page.setViewportSize({ width: 1024, height: 768 });
  await page.waitForFunction(() => [...document.querySelectorAll('.about')].every((it) => it.clientWidth > 0 && it.scrollWidth <= it.clientWidth));
  await look('kitchen-all');
  await page.getByRole('button', { name: 'bar', exact: true }).click();
  seen('among all stations each card says its own');

  await page.keyboard.press('1');
  await ann.waitFor({ state: 'detached' });
  await page.locator('#made').filter({ hasText: 'Ann' }).waitFor();
  await page.keyboard.press('0');
  await ann.getByText('Called back').waitFor();
  assert.equal(await page.locator('article').count(), 2);
  quiet();
  seen('a key bumps what was made, and calls it back');

  await context.setOffline(true);
  await ann.getByRole('button', { name: 'Made: Ann' }).click();
  await page.getByRole('alert').filter({ hasText: 'No line to the box' }).waitFor();
  await look('kitchen-lost');
  assert.ok(await ann.isVisible(), 'what was known is shown on');
  await context.setOffline(false);
  await page.locator('#lost').waitFor({ state: 'hidden' });
  assert.ok(await ann.isVisible(), 'what was pressed without a line is not made');
  quiet('ERR_', 'Failed to fetch');
  seen('a line that is lost is told, and comes back by itself');

  await please('revoke it');
  await page.reload();
  await page.getByText('The box does not know this screen').waitFor();
  assert.equal(await page.locator('article').count(), 0, 'orders are shown to nobody');
  seen('a screen that was revoked shows nothing more');
});
