// A tablet that becomes a till: by the link that the box has shown, and until it is revoked.
import assert from 'node:assert/strict';
import { given, inBrowser, please, seen, window } from './kit.mjs';

await inBrowser(async (browser) => {
  const { page, quiet, look } = await window(browser, { width: 820, height: 1180 });
  await page.goto(`${given.url}#WRONG-CODE`);
  assert.equal(await page.getByRole('textbox', { name: 'Code', exact: true }).inputValue(), 'WRONG-CODE');
  assert.ok(!page.url().includes('#'), 'the code stays in the address');
  await look('pair');
  await page.getByRole('button', { name: 'Pair this device' }).click();
  await page.locator('#problem').filter({ hasText: /\S/ }).waitFor();
  quiet('status of 4');
  seen('a code that is none is told so');

  const { link } = await please('show a code');
  // Somebody scans it while the page is open.
  await page.goto('about:blank');
  await page.goto(link);
  await page.getByLabel('What this device is').fill('Tablet at the bar');
  await page.getByRole('button', { name: 'Pair this device' }).click();
  await page.getByRole('heading', { name: 'Paired as T9' }).waitFor();
  await look('paired');
  await page.reload();
  await page.getByRole('heading', { name: 'Paired as T9' }).waitFor();
  const { token } = JSON.parse(await page.evaluate(() => localStorage.getItem('percolate.terminal')));
  const answer = await page.evaluate(async (by) => (await fetch('/v1/node', { headers: { Authorization: `Bearer ${by}` } })).status, token);
  assert.equal(answer, 200);
  quiet();
  seen('a tablet is paired by the link, and stays so');

  await please('revoke it');
  await page.reload();
  await page.locator('#problem').filter({ hasText: 'no longer knows' }).waitFor();
  quiet('status of 401');
  seen('a revoked one is told at its next start');
});
