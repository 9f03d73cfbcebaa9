// preset: release
// A kind that users make, all the way in Chromium against the real server: designed (fields, life cycle), a
// record with a photo, handed in by one and approved by another (never by himself), changed as a kind with data
// in it, rows from an Excel file through the import wizard, found by a filter, a saved view, deleted and undone.
import { Api, equal, ok, run, startServe, tempDir, test as plain, until } from './lib.mjs';
import { workbook } from './browser/xlsx.mjs';
import { button, choose, dialog, go, launch, noFaults, openContext, rawKeys, shot } from './browser/ui.mjs';

const PASSWORD = 'copper-matte-slag';
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
let serve, page, second, api;

const test = (name, fn) => plain(name, () => fn().catch(async (e) => {
  for (const [p, who] of [[page, 'admin'], [second, 'second']]) if (p) await shot(p, `failed-own-${who}`).catch(() => {});
  throw e;
}));

const field = (scope, label) => scope.getByLabel(label, { exact: true });
const openField = () => page.locator('.field-card.open').last();
const link = (p, name) => p.getByRole('link', { name, exact: true }).first();

async function addField(type, title, name) {
  await button(page.locator('.palette'), type).click();
  await openField().getByLabel('标题 中文').first().fill(title);
  await openField().getByLabel('名称', { exact: true }).fill(name);
}

async function signInAs(login) {
  const p = await openContext(serve.base);
  await go(p, '/login');
  await p.getByLabel('用户名').fill(login);
  await p.getByLabel('密码').fill(PASSWORD);
  await button(p, '登录').click();
  await p.locator('.shell-menu').waitFor();
  return p;
}

test('a kind is designed in the browser and stands in the menu', async () => {
  await launch();
  serve = await startServe(tempDir());
  page = await openContext(serve.base);
  await go(page, `/setup#${serve.link}`);
  await page.locator('.shell-menu').waitFor();
  const cookies = await page.context().cookies();
  api = new Api(serve.base, { Cookie: cookies.map((c) => `${c.name}=${c.value}`).join('; ') });
  await go(page, '/r/user-kinds/new');
  await page.getByLabel('标题 中文').first().fill('备件');
  await page.getByLabel('类型名').fill('spare_part');
  await page.getByRole('tab', { name: /字段/ }).click();
  await addField('文本', '供应商', 'supplier');
  await addField('整数', '库存数量', 'quantity');
  await addField('文件', '照片', 'photo');
  await addField('枚举', '类别', 'category');
  await field(openField(), '值').nth(0).fill('mechanical');
  await openField().getByLabel('标题 中文').nth(2).fill('机械');
  await page.getByRole('tab', { name: '生命周期' }).click();
  await page.getByLabel('启用生命周期').click();
  await page.locator('.life-graph').waitFor();
  await shot(page, 'own-kind-life');
  equal(await rawKeys(page), [], 'raw keys');
  await button(page, '保存').click();
  await page.waitForURL(/user-kinds\/(?!new)/);
  await link(page, '备件').click();
  await page.getByText('还没有备件').waitFor();
  equal((await api.get('/kinds/spare_part')).fields.map((f) => f.name), ['supplier', 'quantity', 'photo', 'category']);
  noFaults(page, 'designer');
});

test('codes come from a rule whose preview is shown while it is typed', async () => {
  await go(page, '/r/code-rules/new');
  await page.getByLabel('编码', { exact: true }).fill('spare');
  await page.getByLabel('类型', { exact: true }).fill('spare_part');
  await page.getByLabel('编码格式').fill('SP-{n:4}');
  await page.getByText('SP-0002').first().waitFor();
  await button(page, '保存').click();
  await page.getByText('接下来的编码').waitFor();
  noFaults(page, 'code rule');
});

test('a record is made with the next code', async () => {
  await go(page, '/r/spare-parts/new');
  await page.getByLabel('名称', { exact: true }).fill('轴承');
  await page.getByLabel('库存数量').fill('5');
  await page.getByRole('combobox', { name: '类别' }).click();
  await page.locator('.ant-select-item-option').filter({ hasText: '机械' }).click();
  await page.keyboard.press('Control+s');
  await page.waitForURL(/\/r\/spare-parts\/(?!new)/);
  await page.getByRole('heading', { name: 'SP-0001' }).waitFor();
  noFaults(page, 'record');
});

test('a photo belongs to it once it is saved', async () => {
  await page.locator('.file-input input[type=file]').first().setInputFiles({ name: 'bearing.png', mimeType: 'image/png', buffer: PNG });
  await page.getByText('bearing.png').waitFor();
  await button(page, '保存').click();
  await page.getByText('已保存').last().waitFor();
  const photo = await until(async () => (await api.get('/spare-parts/SP-0001')).spec.photo, 'the photo in the record');
  await until(() => page.locator('.file-input img').evaluate((i) => i.complete && i.naturalWidth > 0), 'the photo from the server');
  ok((await page.locator('.file-input img').getAttribute('src')).includes(photo), 'the stored one is shown');
  await page.getByRole('tab', { name: '附件' }).click();
  await page.getByText('bearing.png').waitFor();
  await shot(page, 'own-kind-photo');
  await page.getByRole('tab', { name: '内容' }).click();
  noFaults(page, 'photo');
});

test('the approval needs a second person', async () => {
  const admin = (await api.get('/roles/administrator')).id;
  await api.post('/users', { code: 'wang.wu', name: '王五', spec: { roles: [admin] } });
  await api.post('/users/wang.wu:password', { password: PASSWORD });
  await go(page, '/r/spare-parts/SP-0001');
  await page.getByLabel('供应商').fill('洛阳轴承');
  await button(page, '保存').click();
  await page.getByText('已保存').first().waitFor();
  await button(page.locator('.life-bar'), '提交').click();
  await page.getByText('状态已变为“待审批”').waitFor();
  await until(async () => button(page.locator('.life-bar'), '批准').isDisabled(), 'the approval to be closed to whoever handed in');
  await button(page.locator('.life-bar'), '批准').hover({ force: true });
  await page.getByRole('tooltip').waitFor();
  await shot(page, 'own-kind-four-eyes');

  second = await signInAs('wang.wu');
  await go(second, '/r/spare-parts');
  await link(second, 'SP-0001').click();
  await button(second.locator('.life-bar'), '批准').click();
  await dialog(second).getByLabel('意见').fill('同意入库');
  await button(dialog(second), '批准').click();
  await second.getByText('状态已变为“已批准”').waitFor();
  equal((await api.get('/spare-parts/SP-0001')).state, 'approved');
  await page.getByText('当前状态下内容不能修改').waitFor();
  await page.getByRole('tab', { name: '变更历史' }).click();
  await page.getByText('同意入库').waitFor();
  noFaults(page, 'approval');
  noFaults(second, 'approval of the second');
});

test('rows come from an Excel file: mapping, dry run, job, result', async () => {
  await go(page, '/r/spare-parts');
  await link(page, 'SP-0001').waitFor();
  const rows = [['物料编码', '名称', '库存数量', '类别', '货架'], ...Array.from({ length: 30 }, (_, i) => [`X-${100 + i}`, `备件 ${i}`, i === 7 ? '许多' : i * 10, '机械', `A${i % 3}`])];
  await button(page, '导入').click();
  await page.locator('input[type=file]').setInputFiles({ name: '备件.xlsx', mimeType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', buffer: workbook('备件', rows) });
  const dlg = dialog(page);
  await dlg.locator('.map-table').waitFor();
  await choose(page, dlg.getByRole('combobox', { name: '列“货架”对应的字段' }), '标签', /作为标签/);
  await shot(page, 'own-kind-mapping');
  await button(dlg, '检查').click();
  await dlg.getByText('1 行有错误').waitFor();
  await dlg.getByText('quantity').first().waitFor();
  equal((await api.get('/spare-parts?q=X-1')).total, 0, 'after the dry run');
  await dlg.getByText('跳过有错误的行').click();
  await button(dlg, '导入 29 项').click();
  await link(dlg, 'X-100').waitFor();
  await button(dlg, '完成').click();
  equal((await api.get('/spare-parts?q=X-1')).total, 29);
  equal((await api.get('/spare-parts/X-101')).labels, { 货架: 'A1' });
  noFaults(page, 'import');
});

// The rows of the Excel file, whatever became of the test before.
async function rowsThere() {
  const items = Array.from({ length: 30 }, (_, i) => i).filter((i) => i !== 7).map((i) => ({ op: 'upsert', code: `X-${100 + i}`, name: `备件 ${i}`, spec: { quantity: i * 10, category: 'mechanical' } }));
  if ((await api.get('/spare-parts?q=X-1')).total !== items.length) await api.post('/spare-parts:bulk', { dry_run: false, skip_errors: false, items });
}

test('found by a filter, kept as a view', async () => {
  await rowsThere();
  await go(page, '/r/spare-parts');
  await link(page, 'X-100').waitFor();
  await page.keyboard.press('f');
  await page.getByLabel('筛选表达式').fill('quantity>=200 and state=');
  await page.getByText('应为值').waitFor();
  await page.getByLabel('筛选表达式').fill("quantity>=200 and state='draft'");
  await page.getByText('共 10 项').waitFor();
  await page.getByRole('button', { name: '视图' }).click();
  await button(page, '另存为新视图').click();
  await page.getByLabel('视图名称').fill('大库存');
  await button(dialog(page), '保存').click();
  await page.waitForURL(/view=/);
  await go(page, page.url().slice(serve.base.length));
  await page.getByText('共 10 项').waitFor();
  noFaults(page, 'view');
});

test('everything found is changed, deleted and brought back', async () => {
  await rowsThere();
  await go(page, '/r/spare-parts?q=X-1');
  await link(page, 'X-100').waitFor();
  await page.keyboard.press('Control+a');
  await page.keyboard.press('e');
  await choose(page, dialog(page).getByRole('combobox'), 'supplier', /supplier/);
  await dialog(page).getByLabel('新值').fill('统一供应');
  await dialog(page).getByRole('button', { name: '修改 29 项' }).click();
  await dialog(page).locator('.report-count').first().waitFor();
  await button(dialog(page), '完成').click();
  equal((await api.get(`/spare-parts?filter=${encodeURIComponent("supplier='统一供应'")}`)).total, 29);
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Delete');
  await dialog(page).getByRole('textbox').fill('29');
  await button(dialog(page), '删除').click();
  await page.getByText('已删除 29 项').waitFor();
  equal((await api.get('/spare-parts?q=X-1')).total, 0);
  await button(page, '撤销删除').click();
  await page.getByText('已恢复 29 项').waitFor();
  equal((await api.get('/spare-parts?q=X-1')).total, 29);
  noFaults(page, 'many');
});

test('the kind changes with its data: the plan is shown first', async () => {
  await go(page, '/r/user-kinds');
  await link(page, 'spare_part').click();
  await page.locator('.field-card').nth(0).getByRole('button').first().click();
  await openField().getByLabel('名称', { exact: true }).fill('vendor');
  await page.getByLabel('删除 category').click();
  await button(page, '保存').click();
  await dialog(page).getByText('有数据无法保留').waitFor();
  await shot(page, 'own-kind-plan');
  ok(await button(dialog(page), '保存').isDisabled(), 'nothing is lost unasked');
  await dialog(page).getByText('丢弃无法保留的值').click();
  await button(dialog(page), '保存').click();
  await page.getByText('已保存').first().waitFor();
  const one = await api.get('/spare-parts/X-101');
  equal([one.spec.vendor, one.spec.supplier ?? null, one.spec.category ?? null], ['统一供应', null, null]);
  noFaults(page, 'change of the kind');
});

await run();
