// What all of these have in common: a browser that trusts nothing but what it is told, and a conversation with whoever has
// started the test. A page that complains in its console, fails in a script, asks another machine for anything, or is wider
// than its window, fails the test.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

/** What the test was started with. */
export const given = JSON.parse(process.argv[2] ?? '{}');

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks whoever has started this to do something, and waits until it is done; what they say is returned. */
export async function please(what) {
  process.stdout.write(`please: ${what}\n`);
  const { value, done } = await lines.next();
  assert.ok(!done, `nobody does: ${what}`);
  return JSON.parse(value);
}

/** Says that something was seen. */
export function seen(what) {
  process.stdout.write(`seen: ${what}\n`);
}

/** Where pictures go, if anybody wants them. */
const pictures = process.env.PERCOLATE_PICTURES;

/** A page as somebody has it: `open` on a window of this size, and `quiet` once it must have nothing to complain of. */
export async function window(browser, { width = 1280, height = 800, storage } = {}) {
  // The page's certificate is of the chain's own CA, which no browser knows before somebody has told it.
  const context = await browser.newContext({ viewport: { width, height }, ignoreHTTPSErrors: true, storageState: storage });
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`a script failed: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.text()} (${message.location().url})`);
  });
  const home = new URL(given.url).origin;
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== home && protocol.startsWith('http')) complaints.push(`asks another machine: ${request.url()}`);
  });
  /** Nothing was complained of but what these say. */
  const quiet = (...meant) => {
    const others = complaints.filter((complaint) => !meant.some((it) => complaint.includes(it)));
    assert.deepEqual(others, []);
    complaints.length = 0;
  };
  /** Nothing sticks out of the window, and a picture for whoever wants to look. */
  const look = async (name) => {
    for (const [wide, high] of [[width, height], [360, 740]]) {
      await page.setViewportSize({ width: wide, height: high });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${name} is ${over} px wider than a window of ${wide} px`);
      if (pictures) {
        await mkdir(pictures, { recursive: true });
        await page.screenshot({ path: `${pictures}/${name}-${wide}.png`, fullPage: true });
      }
    }
    await page.setViewportSize({ width, height });
  };
  return { page, context, quiet, look };
}

/** Runs a test in a browser, which ends with it. */
export async function inBrowser(test) {
  const arguments_ = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: given.chromium, args: arguments_ });
  try {
    await test(browser);
  } finally {
    await browser.close();
  }
  process.exit(0);
}

/** The six digits that an app shows now for a key in Base32 (RFC 6238). */
export function codeOf(secret, at = Date.now()) {
  const bits = [...secret.replace(/\s/g, '')].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const hash = createHmac('sha1', key).update(counter).digest();
  const from = hash[19] & 15;
  return String((hash.readUInt32BE(from) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}
