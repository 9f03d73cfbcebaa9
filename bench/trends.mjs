// trends.mjs - twenty pens over ten years in a real browser: how long until they are drawn, how smooth zooming and moving is
// while live values come. Feeds one sample a minute for ten years (105 million) and an hour of one a second.
import { readFileSync } from 'node:fs';
import { launch, openContext, route } from '../tests/browser/ui.mjs';
import { cleanup, fail, signIn, sleep, startServe, stop, tempDir, test, until, run } from '../tests/lib.mjs';

const PENS = 20, YEARS = Number(process.env.YEARS ?? 10), STEP_S = 60;
const MAX_ROWS = 1_000_000, ROW = 24;
const codes = Array.from({ length: PENS }, (_, i) => `PEN.${String(i + 1).padStart(2, '0')}`);

function samples(nums, from, to, stepUs) {
  const rows = Math.min(MAX_ROWS - (MAX_ROWS % nums.length), Math.ceil((to - from) / stepUs) * nums.length);
  const b = Buffer.allocUnsafe(16 + rows * ROW);
  b.writeUInt32LE(0x31534e42, 0);
  b.writeUInt32LE(rows, 4);
  b.writeBigInt64LE(0n, 8);
  let at = 16, t = from;
  for (let i = 0; i < rows; i += nums.length, t += stepUs) {
    const days = t / 86400e6;
    for (let k = 0; k < nums.length; k++, at += ROW) {
      b.writeUInt32LE(t % 4294967296, at); /* no BigInt: it is slow */
      b.writeInt32LE(Math.floor(t / 4294967296), at + 4);
      b.writeUInt32LE(nums[k], at + 8);
      b.writeUInt32LE(1, at + 12);
      const v = 100 * (k + 1) + 20 * Math.sin(days * 6.28) + 40 * Math.sin(days / 58 + k) + ((Math.imul(t / 1e6 + k * 7919, 2654435761) >>> 20) % 100) / 20;
      b.writeDoubleLE(Math.round(v * 100) / 100, at + 16);
    }
  }
  return { body: b, next: t };
}

const percentile = (v, p) => [...v].sort((a, b) => a - b)[Math.min(v.length - 1, Math.floor(v.length * p))];

test('twenty pens over ten years', async () => {
  const dir = process.env.DIR ?? tempDir();
  const serve = await startServe(dir, []);
  cleanup(() => stop(serve));
  const api = await signIn(serve);
  const nums = [];
  for (const code of codes) nums.push((await api.post('/points', { code, name: code, spec: { unit: 't/h' } })).num);
  const push = async (from, to, stepUs) => {
    for (let t = from; t < to;) {
      const { body, next } = samples(nums, t, to, stepUs);
      const res = await fetch(`${serve.base}/api/v1/samples`, { method: 'POST', body, headers: { ...api.headers, 'X-Bornite': '1', 'Content-Type': 'application/vnd.bornite.samples' } });
      if (!res.ok) fail(await res.text());
      t = next;
    }
  };
  const now = Math.floor(Date.now() / 1000) * 1e6;
  const start = Date.now();
  await push(now - YEARS * 365.25 * 86400e6, now - 3600e6, STEP_S * 1e6);
  await push(now - 3600e6, now, 1e6);
  console.log(`fed ${PENS} points x ${YEARS} years at ${STEP_S} s in ${((Date.now() - start) / 1000).toFixed(0)} s`);
  let live = true;
  const feeder = (async () => { while (live) { await push(Math.floor(Date.now() / 1000) * 1e6, Math.floor(Date.now() / 1000) * 1e6 + 1, 1e6); await sleep(1000); } })();

  const plots = async (when) => {
    const times = [];
    let bytes = 0;
    for (let i = 0; i < 5; i++) {
      const t = performance.now();
      const res = await fetch(`${serve.base}/api/v1/history/plot?points=${codes.join(',')}&from=now-${YEARS}y&to=now&px=1200`, { headers: api.headers });
      bytes = (await res.text()).length;
      times.push(performance.now() - t);
    }
    console.log(`plot query of all over HTTP, ${when}: first ${times[0].toFixed(0)} ms, then ${percentile(times.slice(1), 0.5).toFixed(0)} ms, ${(bytes / 1e6).toFixed(1)} MB`);
  };
  await plots('right after feeding');
  await sleep(Number(process.env.SETTLE_S ?? 30) * 1000);
  await plots('after half a minute');

  await launch();
  const page = await openContext(serve.base, {}, { extraHTTPHeaders: {} });
  await page.context().addCookies(api.headers.Cookie.split('; ').map((c) => ({ name: c.split('=')[0], value: c.slice(c.indexOf('=') + 1), url: serve.base })));
  await page.goto(`${serve.base}/`);
  const t0 = performance.now();
  await route(page, `/trends?points=${codes.join(',')}&from=now-${YEARS}y&to=now`);
  const inked = () => page.evaluate(() => {
    const c = document.querySelector('.trend-plot canvas');
    if (!c) return 0;
    const d = c.getContext('2d').getImageData(Math.floor(c.width * 0.2), 0, Math.floor(c.width * 0.75), c.height).data;
    let n = 0;
    for (let i = 3; i < d.length; i += 4) if (d[i] > 0) n++;
    return n;
  });
  await until(async () => (await inked()) > 20000, 'the curves', 60000, 20);
  console.log(`page opened to curves drawn: ${(performance.now() - t0).toFixed(0)} ms`);
  const plot = await page.locator('.trend-plot .u-over').boundingBox();
  const frames = async (what, act) => {
    await page.evaluate(() => { window.__f = []; let last = performance.now(); const tick = (t) => { window.__f.push(t - last); last = t; window.__r = requestAnimationFrame(tick); }; window.__r = requestAnimationFrame(tick); });
    await act();
    const f = (await page.evaluate(() => { cancelAnimationFrame(window.__r); return window.__f; })).slice(2);
    console.log(`${what}: ${f.length} frames, median ${percentile(f, 0.5).toFixed(1)} ms, p95 ${percentile(f, 0.95).toFixed(1)} ms, longest ${Math.max(...f).toFixed(0)} ms`);
  };
  await frames('idle with live tails, 5 s', () => sleep(5000));
  await frames('moving (drag)', async () => {
    await page.mouse.move(plot.x + plot.width * 0.7, plot.y + plot.height / 2);
    await page.mouse.down();
    for (let i = 0; i < 60; i++) { await page.mouse.move(plot.x + plot.width * (0.7 - i * 0.006), plot.y + plot.height / 2); await sleep(16); }
    await page.mouse.up();
  });
  await frames('zooming (wheel)', async () => {
    await page.mouse.move(plot.x + plot.width * 0.5, plot.y + plot.height / 2);
    for (let i = 0; i < 30; i++) { await page.mouse.wheel(0, i < 15 ? -240 : 240); await sleep(60); }
  });
  await frames('the cursor over the plot', async () => {
    for (let i = 0; i < 60; i++) { await page.mouse.move(plot.x + plot.width * (0.2 + i * 0.01), plot.y + plot.height / 3); await sleep(16); }
  });
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT });
  await until(() => !page.url().includes('to=now'), 'the view to have moved');
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${serve.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  console.log(`RSS of the server ${rss.toFixed(0)} MB`);
  live = false;
  await feeder;
});

await run();
