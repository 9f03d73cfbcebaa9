// Walks through the pages as a person would, against the mock (or BASE): signs in, edits, meets a lost race,
// imports, changes many at once, writes to the plant, makes a token, loses and regains the server's stream.
//   node dev/walk.mjs [base] [out]           WALK_PASSWORD: admin's, for a real server (the walk changes it
//   only where the banner asks for one)
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const base = process.argv[2] ?? 'http://127.0.0.1:8090';
const out = process.argv[3] ?? 'shots';
const password = process.env.WALK_PASSWORD ?? 'bornite';
mkdirSync(out, { recursive: true });
const faults = [];
const ok = (what, condition) => {
  console.log(`${condition ? 'ok  ' : 'FAIL'} ${what}`);
  if (!condition) faults.push(what);
};
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const page = await (await browser.newContext({ reducedMotion: 'reduce', viewport: { width: 1440, height: 900 } })).newPage();
page.setDefaultTimeout(30000);
page.on('pageerror', (e) => faults.push(e.message));
page.on('console', (m) => m.type() === 'error' && !/ERR_INTERNET_DISCONNECTED|status of (4|5)\d\d/.test(m.text()) && faults.push(m.text()));
const shot = (name) => page.screenshot({ path: `${out}/walk-${name}.png` });
const api = (method, path, body, headers = {}) => page.evaluate(async ([m, p, b, h]) => {
  const r = await fetch(`/api/v1${p}`, { method: m, headers: { 'X-Bornite': '1', 'Content-Type': 'application/json', ...h }, body: b ? JSON.stringify(b) : undefined });
  return r.json();
}, [method, path, body, headers]);

try {
  await page.goto(`${base}/r/points?q=GRD`);
  await page.waitForURL('**/login?to=*');
  await page.getByLabel('用户名').fill('admin');
  await page.getByLabel('密码').fill('wrong');
  await page.getByRole('button', { name: '登录', exact: true }).click();
  await page.locator('.ant-alert').waitFor();
  await shot('login');
  await page.getByLabel('密码').fill(password);
  for (let tries = 0; tries < 4 && page.url().includes('/login'); tries++) { // a server that has seen wrong passwords makes us wait
    await page.getByRole('button', { name: '登录', exact: true }).click();
    await page.waitForURL('**/r/points?q=GRD', { timeout: 8000 }).catch(() => {});
  }
  await page.waitForURL('**/r/points?q=GRD');
  const sample = (await api('GET', `/points?size=1&q=GRD&filter=${encodeURIComponent("writable=false and type='float'")}`)).items[0];
  const target = (await api('GET', '/points?size=1&filter=writable%3Dtrue')).items[0];
  const device = (await api('GET', `/devices/${sample.spec.device}`)).code;
  const channel = (await api('GET', '/channels?size=1')).items[0].code;
  await page.goto(`${base}/r/points?q=${sample.code}`);
  await page.getByRole('link', { name: sample.code, exact: true }).click();
  ok('a wrong password is told, the right one leads back to the page', true);

  await page.getByLabel('显示小数位').fill('7');
  await page.getByRole('link', { name: '总览' }).first().click();
  await page.getByText('有未保存的修改').last().waitFor();
  await page.getByRole('button', { name: '留在本页' }).click();
  ok('unsaved changes are guarded', (await page.getByLabel('显示小数位').inputValue()) === '7');
  const point = await api('GET', `/points/${sample.id}`);
  await api('PATCH', `/points/${point.id}`, { spec: { hi: 999 } });
  await page.getByText(`刚保存了版本 ${point.rev + 1}`).waitFor();
  await page.getByRole('button', { name: '保存', exact: true }).click();
  await page.getByText('内容已被他人修改').waitFor();
  ok('the form keeps the revision that it was filled from', await page.getByText(`您基于版本 ${point.rev} 修改`).isVisible());
  await shot('conflict');
  await page.getByRole('button', { name: '用我的覆盖' }).click();
  await page.getByText('已保存').first().waitFor();
  const after = await api('GET', `/points/${point.id}`);
  ok('a lost race is shown and settled', after.spec.decimals === 7 && after.rev === point.rev + 2);
  await page.getByLabel('采集周期').fill('1ms');
  await page.getByText('不能小于 50ms').waitFor();
  ok('a field tells its fault while typing', true);
  await page.getByRole('button', { name: '放弃修改' }).click();
  await page.getByLabel('地址', { exact: true }).fill('4 0 0 x');
  await page.getByRole('button', { name: '保存', exact: true }).click();
  await page.locator('.ant-form-item', { has: page.getByLabel('地址', { exact: true }) }).locator('.ant-form-item-explain-error').waitFor();
  ok('a fault of the server stands at its field', true);
  await shot('fault');
  await page.getByRole('button', { name: '放弃修改' }).click();
  await page.getByRole('tab', { name: '变更历史' }).click();
  await page.getByRole('button', { name: '恢复到此版本' }).last().click();
  await shot('rollback');
  await page.getByRole('dialog').getByRole('button', { name: '恢复到此版本' }).click();
  await page.getByText('已恢复到版本').waitFor();
  ok('roll back', (await api('GET', `/points/${point.id}`)).spec.decimals === point.spec.decimals);

  await page.goto(`${base}/r/points`);
  await page.getByRole('button', { name: '导入' }).click();
  await page.locator('input[type=file]').setInputFiles({ name: 'p.csv', mimeType: 'text/csv', buffer: Buffer.from(`code,name,device,address,unit\nNEW.P1,新测点,${device},400001,t/h\nNEW.P2,坏的,NOPE,400002,t/h\n`) });
  await page.getByText('1 行有错误').waitFor();
  await shot('import');
  await page.getByText('跳过有错误的行').click();
  await page.getByRole('button', { name: '导入 1 项' }).click();
  await page.getByRole('button', { name: '完成' }).click();
  ok('import with a dry run and a report', (await api('GET', '/points/NEW.P1')).name === '新测点');

  await page.getByLabel('搜索编码或名称').fill('NEW.P1');
  await page.getByRole('link', { name: 'NEW.P1' }).waitFor();
  await page.waitForTimeout(700);
  await page.locator('.ant-table-tbody-virtual .ant-checkbox-input').first().check();
  await page.getByRole('button', { name: '批量修改' }).click();
  await page.getByRole('dialog').locator('.ant-select').first().click();
  await page.keyboard.type('deadband');
  await page.keyboard.press('Enter');
  await page.getByLabel('新值').fill('2.5');
  await page.getByRole('button', { name: '修改 1 项' }).click();
  await page.getByRole('button', { name: '完成' }).click();
  ok('bulk edit', (await api('GET', '/points/NEW.P1')).spec.deadband === 2.5);
  await page.locator('.ant-table-tbody-virtual .ant-checkbox-input').first().check();
  await page.getByRole('button', { name: '删除' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill('1');
  await page.getByRole('dialog').getByRole('button', { name: '删除' }).click();
  await page.getByText('已删除 1 项').waitFor();
  ok('bulk delete asks for the count', (await api('GET', '/points/NEW.P1')).status === 404);

  await page.goto(`${base}/points?area=${encodeURIComponent(target.spec.area)}&q=${target.code}`);
  await page.getByRole('button', { name: '写入' }).first().click();
  await page.getByLabel('写入值').fill(String(target.spec.write_hi + 1));
  await page.getByLabel('原因').fill('试验');
  await page.getByRole('button', { name: '下一步' }).click();
  await page.getByText('超出允许范围').waitFor();
  await page.getByLabel('写入值').fill(String(Math.round((target.spec.write_lo + target.spec.write_hi) / 2)));
  await page.getByRole('button', { name: '下一步' }).click();
  await page.getByRole('button', { name: '确认写入' }).click();
  await page.getByText('已完成').waitFor();
  await shot('write');
  ok('a write is checked, confirmed, and shows its outcome', true);
  await page.getByRole('button', { name: '完成' }).click();
  await page.goto(`${base}/points?q=GRD`);
  await page.locator('.grid-row .live').first().waitFor();
  const before = await page.evaluate(() => [...document.querySelectorAll('.grid-row .live')].map((x) => x.textContent).join());
  await page.waitForFunction((was) => [...document.querySelectorAll('.grid-row .live')].map((x) => x.textContent).join() !== was, before);
  ok('live values move', true);

  await page.goto(`${base}/system/tokens`);
  await page.getByRole('button', { name: '新建令牌' }).first().click();
  await page.getByRole('dialog').getByLabel('名称').fill('MES');
  await page.getByRole('combobox', { name: '角色' }).click();
  await page.getByTitle(/operator/).last().click();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: '创建' }).click();
  await page.getByText('令牌只显示这一次').waitFor();
  await shot('token');
  ok('a token is shown once', (await page.locator('.token-box code').innerText()).startsWith('bn_'));
  await page.getByRole('button', { name: '完成' }).click();

  await page.keyboard.press('Control+k');
  await page.getByRole('dialog').getByRole('textbox').fill(channel);
  await page.getByRole('option', { name: new RegExp(channel) }).first().waitFor();
  await shot('palette');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Escape');
  ok('Ctrl+K finds resources', true);

  await page.goto(`${base}/points`);
  await page.locator('[data-net=open]').waitFor();
  await page.locator('.grid-row .live').first().waitFor();
  await page.context().setOffline(true);
  await page.getByLabel('搜索编码或名称').or(page.getByPlaceholder('搜索编码或名称')).first().fill('FSF');
  await page.getByText('无法连接服务器').first().waitFor();
  await shot('offline');
  ok('offline is told', (await page.locator('[data-net=offline]').count()) === 1);
  await page.context().setOffline(false);
  await page.locator('[data-net=offline]').waitFor({ state: 'detached', timeout: 20000 });
  await page.getByText(/FSF/).nth(3).waitFor();
  ok('and work goes on by itself', true);

  await page.context().clearCookies();
  await page.getByRole('link', { name: '用户', exact: true }).first().click();
  await page.waitForURL('**/login?to=*');
  await page.getByLabel('用户名').fill('admin');
  await page.getByLabel('密码').fill(password);
  await page.getByRole('button', { name: '登录', exact: true }).click();
  await page.waitForURL('**/r/users');
  ok('a session that ended leads through /login and back', true);

  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole('link', { name: 'admin', exact: true }).first().waitFor();
  await shot('cards');
  await page.getByRole('button', { name: '菜单', exact: true }).click();
  await page.getByRole('dialog').getByRole('link', { name: '角色' }).click();
  await page.waitForURL('**/r/roles');
  ok('a phone has cards and a drawer', (await page.locator('.row-card').count()) > 0);
  await page.setViewportSize({ width: 1440, height: 900 });

  await page.goto(`${base}/setup#nonsense`);
  await page.getByText('一次性链接只能使用一次').waitFor();
  ok('a used link explains itself', !page.url().includes('nonsense'));
  await page.goto(`${base}/`);
  await page.getByRole('button', { name: '用户菜单' }).waitFor();
  if (await page.getByRole('button', { name: '设置密码' }).count()) {
    await page.getByRole('button', { name: '设置密码' }).click();
    await page.getByLabel('新密码', { exact: true }).fill('short');
    await page.getByLabel('再次输入新密码').fill('other');
    await page.getByRole('dialog').getByRole('button', { name: '保存' }).click();
    await page.getByText('两次输入不一致').waitFor();
    await page.getByLabel('新密码', { exact: true }).fill('bornite-2026');
    await page.getByLabel('再次输入新密码').fill('bornite-2026');
    await page.getByRole('dialog').getByRole('button', { name: '保存' }).click();
    await page.getByText('密码已保存').waitFor();
    await page.getByText('您通过一次性链接登录').waitFor({ state: 'detached' });
    ok('the banner asks for a password until there is one', true);
  }
  await page.getByRole('button', { name: '用户菜单' }).click();
  await page.getByText('退出登录').click();
  await page.waitForURL('**/login');
  ok('signing out', true);
} catch (e) {
  await shot('failed');
  faults.push(String(e));
} finally {
  await browser.close();
}
console.log(faults.length ? `\n${faults.join('\n')}` : '\nall well');
process.exitCode = faults.length ? 1 : 0;
