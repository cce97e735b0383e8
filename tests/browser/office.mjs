// Head office's page, by somebody who was invited: from the invitation to figures that grow, and out again.
import assert from 'node:assert/strict';
import { codeOf, given, inBrowser, please, seen, window } from './kit.mjs';

const PASSWORD = 'a long and quiet sentence';

await inBrowser(async (browser) => {
  const { page, quiet, look } = await window(browser);
  const says = (id, text) => page.locator(`#${id}`).filter({ hasText: text }).waitFor();

  await page.goto(`${given.url}#invitation=${given.invitation}`);
  await says('invited-title', 'Welcome to the office');
  assert.ok(!page.url().includes('invitation'), 'the invitation stays in the address');
  await look('invited');
  await page.getByRole('textbox', { name: 'Password', exact: true }).fill(PASSWORD);
  await page.getByLabel('The same again').fill('something else entirely');
  await page.getByRole('button', { name: 'Go on' }).click();
  await says('invited-error', 'not the same');
  await page.getByLabel('The same again').fill(PASSWORD);
  await page.getByRole('button', { name: 'Go on' }).click();
  await says('told-secret', /\S/);
  const secret = await page.locator('#told-secret').innerText();
  seen('an invitation is taken up once, with a password and a key for an app');

  await page.getByRole('button', { name: 'I have it, sign in' }).click();
  await look('door');
  quiet();
  const signIn = async (password) => {
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill(given.name);
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(password);
    await page.getByLabel('Code from your app').fill(codeOf(secret));
    await page.keyboard.press('Enter');
  };
  await signIn('not this one at all');
  await page.locator('#door-error').filter({ hasText: /\S/ }).waitFor();
  // That it was refused is said by the browser, too.
  quiet('status of 401');
  seen('a wrong password is told, and nothing is shown');
  await signIn(PASSWORD);
  await page.locator('#board').waitFor();
  await says('who-name', given.name);
  const shop = page.locator('#shops li').filter({ hasText: given.shop });
  await shop.filter({ hasText: 'Online' }).waitFor();
  await look('board');
  seen('who has signed in sees the chain');

  await page.locator('#closes-rows tr').filter({ hasText: given.shop }).waitFor();
  seen('how a shop closed its day stands under its name');

  const before = Number(await page.locator('#tickets').innerText());
  const sold = await please('sell');
  await page.waitForFunction((wanted) => Number(document.getElementById('tickets').textContent) === wanted, before + 1);
  await page.locator('#recent li').filter({ hasText: sold.receipt }).waitFor();
  await look('sold');
  quiet();
  seen('a ticket shows up while it is looked at');

  await please('stop the hub');
  await says('lost-title', 'Connection to the hub lost');
  assert.ok(await page.locator('#board').isVisible(), 'what was known is shown on');
  await look('lost');
  await please('start the hub');
  await page.locator('#lost').waitFor({ state: 'hidden' });
  quiet('ERR_', 'status of');
  seen('a hub that is away is told, and comes back by itself');

  await page.getByRole('button', { name: 'Sign out' }).first().click();
  await says('door-title', 'Good to see you');
  await page.goBack().catch(() => null);
  await page.goto(given.url);
  await says('door-title', 'Good to see you');
  assert.equal(await page.locator('#board').isVisible(), false, 'figures are shown to nobody');
  seen('who has signed out sees nothing more');
});
