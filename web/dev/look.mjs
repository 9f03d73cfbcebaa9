// Opens pages in Chromium and saves pictures; fails on console errors, broken pages, requests to other
// origins and raw i18n keys on the screen.
//   node dev/look.mjs --base http://127.0.0.1:8090 --out /tmp/shots --size 1440x900,390x844 --theme light,dark --lang zh,en / /r/points …
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const args = process.argv.slice(2);
const option = (name, fallback) => {
  const i = args.indexOf(`--${name}`);
  return i < 0 ? fallback : args.splice(i, 2)[1];
};
const base = option('base', 'http://127.0.0.1:8090');
const out = option('out', 'shots');
const sizes = option('size', '1440x900').split(',').map((s) => s.split('x').map(Number));
const themes = option('theme', 'light').split(',');
const langs = option('lang', 'zh').split(',');
const link = option('link', 'demo');
const wait = Number(option('wait', '1500'));
const paths = args.length ? args : ['/'];
mkdirSync(out, { recursive: true });

const faults = [];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  const context = await browser.newContext({ reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && faults.push(`${page.url()} console ${m.type()}: ${m.text()}`));
  page.on('pageerror', (e) => faults.push(`${page.url()} ${e.message}`));
  page.on('request', (r) => !/^(blob|data):/.test(r.url()) && new URL(r.url()).origin !== base && faults.push(`${page.url()} asked ${r.url()}`));
  await page.goto(`${base}/setup#${link}`);
  await page.waitForURL(`${base}/`);
  for (const theme of themes) for (const lang of langs) for (const [width, height] of sizes) {
    await page.setViewportSize({ width, height });
    await page.evaluate((s) => localStorage.setItem('bornite.settings', JSON.stringify(s)), { theme, lang, collapsed: false });
    for (const path of paths) {
      await page.goto(base + path);
      await page.waitForTimeout(wait);
      const name = `${path.replace(/^\//, '').replace(/[^\w-]+/g, '_') || 'home'}-${theme}-${lang}-${width}.png`;
      await page.screenshot({ path: join(out, name) });
      const text = await page.evaluate(() => document.body.innerText);
      const raw = text.match(/\b(?:core|live|trends|collect|envelope|list|detail|action|state|nav|form|conn|points|overview)\.[a-z][A-Za-z.]+\b/g);
      if (raw) faults.push(`${path} raw keys: ${[...new Set(raw)].join(' ')}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wide > 0) faults.push(`${path} at ${width}: ${wide} px too wide`);
    }
  }
} finally {
  await browser.close();
}
console.log(faults.length ? [...new Set(faults)].join('\n') : 'no faults');
process.exitCode = faults.length ? 1 : 0;
