// preset: release
// The pages of history as an engineer uses them, in Chromium against the real server: a table of aggregates and
// an expression, a retention preview that tells the truth and is applied, filter advice that ends in the point,
// a backup with a drill, and a deleted range brought back from it.
import { Api, equal, ok, run, startServe, tempDir, test as plain, until } from './lib.mjs';
import { button, choose, dialog, go, launch, noFaults, openContext, rawKeys, settled, shot } from './browser/ui.mjs';

const HOUR = 3600000;
let serve, page, api, now;

const test = (name, fn) => plain(name, () => fn().catch(async (e) => {
  if (page) await shot(page, 'failed-history').catch(() => {});
  throw e;
}));

const cells = async (row) => (await row.locator('td, .ant-table-cell').allInnerTexts()).map((x) => x.trim());
const rows = () => page.locator('.ant-table-row');

async function fine(what) {
  await settled(page);
  equal(await rawKeys(page), [], `raw keys of ${what}`);
  noFaults(page, what);
}

test('samples of two days stand in history', async () => {
  await launch();
  serve = await startServe(tempDir());
  page = await openContext(serve.base);
  await go(page, `/setup#${serve.link}`);
  await page.locator('.shell-menu').waitFor();
  const cookies = await page.context().cookies();
  api = new Api(serve.base, { Cookie: cookies.map((c) => `${c.name}=${c.value}`).join('; ') });
  now = Math.floor(Date.now() / HOUR) * HOUR;
  await api.post('/points', { code: 'FLOW', name: '给矿流量', spec: { unit: 't/h', archive_class: 'standard' } });
  // A ramp of 0 to 2879, one sample a minute, so that every figure is known.
  const samples = Array.from({ length: 2880 }, (_, i) => ({ point: 'FLOW', t: now - 48 * HOUR + i * 60000, v: i }));
  equal((await api.post('/samples', { samples })).stored, 2880);
});

test('a query: points are found by name, hours are aggregated, an expression is calculated', async () => {
  await go(page, '/history?from=' + (now - 2 * HOUR) + '&to=' + now);
  await choose(page, page.getByLabel('选择测点'), '给矿', 'FLOW');
  await page.keyboard.press('Escape');
  await until(async () => (await rows().count()) === 2, 'two hours');
  equal((await cells(rows().first())).slice(1, 4).map(Number), [2789.5, 2760, 2819], 'average, least and greatest of the first hour');
  await fine('aggregates');
  await page.getByText('表达式', { exact: true }).click();
  await page.getByRole('searchbox').fill("'FLOW' * 2");
  await page.getByRole('searchbox').press('Enter');
  await until(async () => (await rows().count()) === 2, 'two values');
  equal(Number((await cells(rows().first()))[1]), 5520);
  await page.getByRole('searchbox').fill("'FLOW' * (2");
  await page.getByRole('searchbox').press('Enter');
  await page.getByRole('alert').waitFor();
  await fine('expression');
});

test('filter advice for a ramp leaves nearly nothing, and is used by one press', async () => {
  await go(page, `/r/points/FLOW?tab=advice&from=${now - 47 * HOUR}&to=${now}`);
  await page.getByRole('cell', { name: '建议' }).first().waitFor();
  const best = rows().filter({ hasText: '建议' }).first();
  await fine('advice');
  await button(best, '采用').click();
  await button(dialog(page), '采用').click();
  await until(async () => {
    const spec = (await api.get('/points/FLOW')).spec;
    return spec.door > 0 || spec.deadband > 0;
  }, 'the filter to stand on the point');
});

test('a backup runs, its drill passes, and a deleted hour comes back from it', async () => {
  const target = tempDir();
  await api.post('/backup-plans', { code: 'nightly', name: '每夜备份', spec: { target: `dir:${target}` } });
  await go(page, '/backups');
  await button(page, '立即备份').click();
  await page.getByRole('menuitem', { name: '每夜备份' }).hover();
  await page.getByRole('menuitem', { name: '全量' }).click();
  await page.waitForURL(/system\/jobs/);
  const made = await until(async () => (await api.get('/backups')).items.find((b) => b.state !== 'running'), 'the backup', 60000);
  equal([made.state, made.mode, made.samples], ['done', 'full', 2880]);
  await go(page, `/backups?backup=${made.id}`);
  await button(page, '恢复演练').click();
  await until(async () => (await api.get(`/backups/${made.id}`)).drill?.ok === true, 'the drill', 60000);
  const from = now - 3 * HOUR, to = now - 2 * HOUR;
  equal((await api.post('/history:delete', { points: ['FLOW'], from, to, reason: 'a test of bringing back' })).removed, 60);
  const { job } = await api.post(`/backups/${made.id}:restore`, { points: ['FLOW'], from, to, mode: 'missing' });
  await until(async () => (await api.get(`/jobs/${job}`)).state === 'done', 'the samples to come back', 60000);
  equal((await api.get(`/history/recorded?points=FLOW&from=${from}&to=${to}`)).series[0].v, Array.from({ length: 60 }, (_, i) => 2700 + i));
  await go(page, `/backups?backup=${made.id}`);
  await page.getByText('演练通过').first().waitFor();
  await fine('backups');
  await shot(page, 'backups');
});

test('a retention preview says what it would delete, and then it is so', async () => {
  await go(page, '/r/archive-classes/standard?tab=preview');
  const keep = page.getByLabel('保留时长', { exact: true });
  await keep.fill('24h');
  await button(page, '预览影响').click();
  const warning = page.locator('.ant-alert-warning');
  await warning.waitFor();
  const said = Number((await warning.innerText()).replaceAll(',', '').match(/(\d+) 个样本/)[1]);
  ok(said > 1000 && said <= 1500, `about the older half: ${said}`);
  await fine('preview');
  await keep.fill('3650d');
  await button(page, '预览影响').click();
  await page.locator('.ant-alert-success').waitFor();
});

test('the page of storage shows what is there', async () => {
  await go(page, '/storage');
  await page.getByText('已存储').first().waitFor();
  await fine('storage');
  await page.getByRole('tab', { name: '磁盘占用' }).click();
  await button(page, '重新统计').click();
  const flow = rows().filter({ hasText: 'FLOW' }).first();
  await flow.waitFor();
  ok((await cells(flow)).includes('2,880') || (await cells(flow)).includes('2,940'), `samples of FLOW: ${await cells(flow)}`);
  await fine('disk use');
});

await run();
