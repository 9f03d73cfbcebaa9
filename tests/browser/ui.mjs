// ui.mjs - the browser side of the browser test: one Chromium, contexts that note every console error,
// page fault, request outside the origin and failed asset; texts that are raw i18n keys; pages by path
// without a reload; antd's controls in words of what a person does.
import { readFileSync, readdirSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { cleanup, fail, ok, until } from '../lib.mjs';

const root = new URL('../../', import.meta.url).pathname;
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

let browser;
export async function launch() {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS });
  cleanup(() => browser.close());
}

// ---- what must not happen ----

// A message of the browser about an answer of 4xx/5xx is no fault by itself: tests provoke those.
const NOISE = /status of (4|5)\d\d|ERR_CONNECTION_REFUSED|WebSocket connection to .* failed/;

export async function openContext(base, settings = {}, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce', acceptDownloads: true, ...options });
  await context.addInitScript((s) => {
    if (!localStorage.getItem('bornite.settings')) localStorage.setItem('bornite.settings', JSON.stringify(s));
  }, { lang: 'zh', theme: 'light', collapsed: false, ...settings });
  const faults = [];
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on('pageerror', (e) => faults.push(`${page.url()}: ${e.message}`));
  page.on('console', (m) => {
    if ((m.type() === 'error' || (m.type() === 'warning' && !/GPU|WebGL|willReadFrequently/.test(m.text()))) && !NOISE.test(m.text())) faults.push(`${page.url()}: ${m.type()}: ${m.text()}`);
  });
  context.on('request', (r) => {
    const url = r.url();
    if (!url.startsWith(base) && !url.startsWith(base.replace('http', 'ws')) && !/^(data|blob):/.test(url)) faults.push(`request outside the origin: ${url}`);
  });
  const open = new Set();
  page.on('request', (r) => { if (!/\/(watch|stream)(\?|$)/.test(r.url())) open.add(r); });
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (r) => open.delete(r));
  page.asks = () => open.size;
  context.on('response', (r) => {
    if (r.status() === 404 && r.url().includes('/assets/')) faults.push(`missing asset: ${r.url()}`);
  });
  page.faults = faults;
  page.base = base;
  cleanup(() => context.close());
  return page;
}

export function noFaults(page, what) {
  const found = page.faults.splice(0);
  if (found.length) fail(`${what}:\n  ${[...new Set(found)].slice(0, 12).join('\n  ')}`);
}

// ---- texts ----

function localeFiles(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? localeFiles(join(dir, e.name)) : /locales\/(zh|en)\.json$/.test(join(dir, e.name)) ? [join(dir, e.name)] : []));
}
function leaves(node, path = []) {
  return typeof node === 'string' ? [path.join('.')] : Object.entries(node).flatMap(([k, v]) => leaves(v, [...path, k]));
}
const keys = new Set(localeFiles(join(root, 'web/src')).flatMap((f) => leaves(JSON.parse(readFileSync(f, 'utf8')))));
ok(keys.size > 200, 'the texts of the UI are found');
const spaces = [...new Set([...keys].map((k) => k.split('.')[0]))];

// Keys of i18n where words should stand: known ones, and what looks like one of ours.
export async function rawKeys(page) {
  const text = await page.evaluate(() => {
    const named = [...document.querySelectorAll('[aria-label],[title],[placeholder],[alt]')].flatMap((e) => ['aria-label', 'title', 'placeholder', 'alt'].map((a) => e.getAttribute(a) ?? ''));
    return [document.title, document.body.innerText, ...named].join('\n');
  });
  const tokens = text.match(/[A-Za-z]+(\.[A-Za-z_#]+)+/g) ?? [];
  return [...new Set(tokens.filter((t) => keys.has(t) || (spaces.includes(t.split('.')[0]) && t.split('.').length > 2)))];
}

export const widthOver = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

// ---- going about ----

export async function go(page, path) {
  await page.goto(page.base + path, { waitUntil: 'domcontentloaded' });
}

// As a link in the page does: no reload. The state is what the router itself keeps there.
export async function route(page, path) {
  await page.evaluate((p) => {
    for (const e of document.querySelectorAll('main.shell-content > *')) e.dataset.old = '1';
    history.pushState({ usr: null, key: String(Math.random()), idx: (history.state?.idx ?? 0) + 1 }, '', p);
    dispatchEvent(new PopStateEvent('popstate', { state: history.state }));
  }, path);
}

// The page stands: the one before is gone (or is the same one, with other parameters), nothing is being
// asked and nothing loads, three looks in a row.
const LOADING = '.ant-skeleton, .ant-spin-spinning, .ant-spin-dot, .grid-skeleton, [aria-busy="true"], .trend-busy';
export async function settled(page) {
  const begin = Date.now();
  let calm = 0;
  await until(async () => {
    const loading = Date.now() - begin < 1000 ? `${LOADING}, main > [data-old]` : LOADING;
    const still = page.asks() === 0 && await page.evaluate((sel) => !document.querySelector(sel) && document.querySelector('main.shell-content, .login')?.innerText.trim().length > 0, loading);
    calm = still ? calm + 1 : 0;
    return calm >= 3;
  }, 'the page to stand', 12000, 40);
}

// antd puts a space between two Chinese characters, and an icon's name before the text.
export const button = (scope, name) => scope.getByRole('button', { name: new RegExp(`^([a-z-]+ )?${[...name].join('\\s*')}$`) });
export const dialog = (page) => page.getByRole('dialog').last();

// Chooses in an antd select by the title of the option.
export async function choose(page, combobox, text, option) {
  await combobox.click();
  await combobox.fill(text);
  await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option').filter({ hasText: option ?? text }).first().click();
}

// The other theme, as if it had been set in another window.
export async function themed(page, theme) {
  await page.evaluate((t) => {
    const text = JSON.stringify({ ...JSON.parse(localStorage.getItem('bornite.settings')), theme: t });
    localStorage.setItem('bornite.settings', text);
    dispatchEvent(new StorageEvent('storage', { key: 'bornite.settings', newValue: text }));
  }, theme);
  await page.locator(`html[data-theme="${theme}"]`).waitFor({ state: 'attached' });
}

export const SCREENS = join(root, 'build/screens');
export async function shot(page, name) {
  mkdirSync(SCREENS, { recursive: true });
  await page.screenshot({ path: join(SCREENS, `${name}.png`) });
}
