// preset: release
// The UI as people use it, in Chromium against the real server and the demo group: first link, a foreign
// Modbus device through the wizard, trends, points, users, generic pages, a lost server, and every page of
// the menu in both languages, themes and widths (with BORNITE_SCREENS=1 pictures of all in build/screens).
import { Api, cleanup, equal, near, ok, run, startServe, startSim, stop, tempDir, test as plain, until } from './lib.mjs';
import { Device, POINTS } from './browser/device.mjs';
import { button, choose, dialog, go, launch, noFaults, openContext, rawKeys, route, settled, shot, themed, widthOver } from './browser/ui.mjs';

const PENS = ['HX-ACD-BLW01.JI', 'JM-CST-CA02.OSC'];
const dir = tempDir();
const device = new Device();
let sim, serve, api, page;

// A picture of what stood there when a test failed.
const test = (name, fn) => plain(name, () => fn().catch(async (e) => {
  if (page) await shot(page, `failed-${name.replace(/[^\w]+/g, '-')}`).catch(() => {});
  throw e;
}));

// ---- (a) ----

test('start: the printed link opens the overview, and it moves', async () => {
  [sim] = await Promise.all([startSim(), device.start(), launch()]);
  cleanup(() => device.stop());
  serve = await startServe(dir, ['--demo', '--sim-port', String(sim.port)]);
  page = await openContext(serve.base);
  await go(page, `/setup#${serve.link}`);
  await page.locator('.area-card').nth(2).waitFor();
  ok(!page.url().includes(serve.link), 'the token has left the address bar');
  const cookies = await page.context().cookies();
  ok(cookies.every((c) => c.httpOnly && c.sameSite === 'Strict'), 'cookies are HttpOnly and SameSite=Strict');
  api = new Api(serve.base, { Cookie: cookies.map((c) => `${c.name}=${c.value}`).join('; ') });
  const values = () => page.locator('.area-card .live').allInnerTexts();
  const first = await until(async () => { const v = await values(); return v.length > 10 && !v.includes('—') && v; }, 'live values');
  await until(async () => (await values()).filter((v, i) => v !== first[i]).length >= 3, 'values that change');
  equal(await rawKeys(page), [], 'raw keys');
  noFaults(page, 'overview');
});

test('start: the password that it asks for signs in', async () => {
  await button(page, '设置密码').click();
  await page.getByLabel('新密码', { exact: true }).fill('copper-matte-slag');
  await page.getByLabel('再次输入新密码').fill('copper-matte-slag');
  await button(dialog(page), '保存').click();
  await page.getByText('密码已保存').waitFor();
  await page.locator('.banner').waitFor({ state: 'detached' });
  const other = await openContext(serve.base);
  await go(other, '/points?q=SAG01');
  await other.waitForURL('**/login?to=*');
  await other.getByLabel('用户名').fill('admin');
  await other.getByLabel('密码').fill('wrong-password');
  await button(other, '登录').click();
  await other.getByRole('alert').waitFor();
  await other.getByLabel('密码').fill('copper-matte-slag');
  await button(other, '登录').click();
  await other.waitForURL('**/points?q=SAG01');
  noFaults(other, 'login');
  await other.context().close();
});

// ---- (b) ----

const SHEET = [['编码', '名称', '地址', '数据类型', '字节序', '系数', '小数位', '周期'],
  ...POINTS.map(([code, address, type, order, scale]) => [code, `第三方 ${code}`, address, type, order, scale, type === 'bool' ? 0 : 3, '200ms'])].map((r) => r.join('\t')).join('\n');

async function wizardToPoints() {
  await go(page, '/connections');
  await button(page, '接入设备').first().click();
  await page.getByLabel('主机').fill('127.0.0.1');
  await page.getByLabel('端口').fill('1');
  await button(page, '测试连接').click();
  await page.getByText(/连接失败/).waitFor();
  await page.getByLabel('端口').fill(String(device.port));
  await page.locator('main').getByLabel('编码').first().fill('PEER');
  await button(page, '测试连接').click();
  await page.getByText(/连接成功/).waitFor();
  await button(page, '下一步').click();
  const field = (label) => page.getByLabel(label, { exact: true }).filter({ visible: true });
  await field('编码').fill('PEER-1');
  await field('区域').fill('TEST/PEER');
  await button(page, '下一步').click();
  await button(page, '粘贴表格').waitFor();
}

test('wizard: a foreign device in three steps, tested and read before anything is stored', async () => {
  await wizardToPoints();
  await button(page, '粘贴表格').click();
  await dialog(page).getByRole('textbox').fill(SHEET);
  await dialog(page).getByRole('button', { name: `添加 ${POINTS.length} 行` }).click();
  await button(page, '试读').click();
  await page.getByText(`${POINTS.length} 个中 ${POINTS.length} 个良好`).waitFor();
  const read = await page.locator('.sheet-row .read-value').allInnerTexts();
  for (const [i, [code]] of POINTS.entries()) near(Number(read[i]), device.get(code), Math.abs(device.get(code)) * 1e-4 + 0.01, `test read of ${code}`);
  equal((await api.get('/channels/PEER', [200, 404])).code === 'PEER', false, 'stored before the end');
  await shot(page, 'wizard-points');
  await page.getByRole('button', { name: `完成并保存 ${POINTS.length} 个测点` }).click();
  await page.getByText('设备已接入').waitFor();
  await shot(page, 'wizard-done');
  noFaults(page, 'wizard');
});

const shownOn = async (code) => {
  const row = page.locator('.grid-row').filter({ has: page.getByRole('link', { name: code, exact: true }) });
  return { value: Number((await row.locator('.live').innerText()).replace(/\s/g, '')), quality: await row.locator('.quality').innerText() };
};

test('wizard: on the Points page every value is what the device holds; a change arrives', async () => {
  await button(page, '查看测点').click();
  await page.locator('.grid-row .live.good').nth(POINTS.length - 1).waitFor();
  for (const [code] of POINTS) {
    const shown = await until(async () => { const s = await shownOn(code); return s.quality.includes('良好') && s; }, `${code} good`);
    near(shown.value, device.get(code), 0.0006, code);
  }
  device.put('UI.INT', 4711);
  device.put('UI.F.DCBA', -99.875);
  await until(async () => (await shownOn('UI.INT')).value === 4711 && (await shownOn('UI.F.DCBA')).value === -99.875, 'the change');
  await shot(page, 'points-peer');
  noFaults(page, 'points of the device');
});

test('wizard: a value written through the dialog reaches the device', async () => {
  await api.call('PATCH', '/points/UI.F.CDAB', { spec: { writable: true, write_lo: -100, write_hi: 100 } });
  const row = page.locator('.grid-row').filter({ hasText: 'UI.F.CDAB' });
  await row.getByRole('button', { name: '写入' }).click();
  await page.getByLabel('写入值').fill('200');
  await page.getByLabel('原因').fill('浏览器测试');
  await button(page, '下一步').click();
  await page.getByText('超出允许范围').waitFor();
  await page.getByLabel('写入值').fill('88.5');
  await button(page, '下一步').click();
  equal(device.get('UI.F.CDAB'), -7.5, 'before the confirmation');
  await button(page, '确认写入').click();
  await page.getByText('已完成').waitFor();
  ok((await dialog(page).innerText()).includes('88.5'), 'the value read back is shown');
  await shot(page, 'write-done');
  equal(device.get('UI.F.CDAB'), 88.5, 'in the device');
  await button(dialog(page), '完成').click();
  await until(async () => (await shownOn('UI.F.CDAB')).value === 88.5, 'the new value on the page');
  ok(JSON.stringify(await api.get('/audit?size=20')).includes('浏览器测试'), 'the reason stands in the audit log');
  noFaults(page, 'write');
});

// ---- (c) ----

// Pixels of the plot that have the colour of a pen (uPlot's canvas; anti-aliased edges do not count).
const inked = () => page.evaluate(() => {
  const canvas = document.querySelector('.trend-plot canvas');
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  return [1, 2].map((n) => {
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--pen-${n}`).trim();
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
    let count = 0, sum = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) > 30 || data[i + 3] < 128) continue;
      const x = (i / 4) % width;
      if (x > width * 0.15) { count++; sum += i; }
    }
    return { count, sum, width, height };
  });
});
const range = () => { const u = new URL(page.url()); return [u.searchParams.get('from'), u.searchParams.get('to')]; };

test('trend: two pens are drawn, and the live tail moves', async () => {
  await go(page, '/trends');
  for (const code of PENS) {
    await page.getByPlaceholder('按名称或编码搜索测点').fill(code);
    await page.getByRole('button', { name: new RegExp(`加入曲线 ${code.replace('.', '\\.')} `) }).click();
  }
  await until(() => PENS.every((c) => page.url().includes(encodeURIComponent(c)) || page.url().includes(c)), 'pens in the URL');
  await route(page, `/trends?points=${PENS.join(',')}&from=now-30s&to=now`);
  const drawn = await until(async () => { const i = await inked(); return i.every((p) => p.count > 20) && i; }, 'two curves');
  await until(async () => (await inked()).every((p, i) => p.sum !== drawn[i].sum), 'the tail to move');
  const now = await page.locator('.trend-foot').innerText();
  await until(async () => (await page.locator('.trend-foot').innerText()) !== now, 'the window to follow');
  await shot(page, 'trend-live');
  noFaults(page, 'trend');
});

test('trend: zoom stops live, the state survives a reload', async () => {
  const plot = await page.locator('.trend-plot .u-over').boundingBox();
  await page.mouse.move(plot.x + plot.width * 0.9, plot.y + plot.height / 2);
  await page.mouse.wheel(0, -400);
  await until(() => /^\d+$/.test(range()[1] ?? ''), 'an absolute range');
  const [from, to] = range().map(Number);
  ok(to - from > 1000 && to - from < 29000, `narrower: ${to - from} ms`);
  await page.mouse.click(plot.x + plot.width * 0.3, plot.y + plot.height / 2);
  await until(() => page.url().includes('a='), 'a cursor in the URL');
  const url = page.url();
  await page.reload();
  await until(async () => (await inked()).some((p) => p.count > 10), 'the curve after a reload');
  equal(page.url(), url, 'URL');
  equal(await page.locator('.trends').getByText('已暂停').count() > 0, true, 'paused');
  await page.getByRole('button', { name: /实时/ }).last().click();
  await until(() => range()[1] === 'now', 'live again');
});

test('trend: saved, opened again, exported', async () => {
  await route(page, `/trends?points=${PENS.join(',')}&from=now-2m&to=now&axes=stacked`);
  await until(async () => (await inked()).every((p) => p.count > 10), 'the curves');
  await button(page, '保存').click();
  await dialog(page).getByLabel('名称').fill('测试趋势');
  await button(dialog(page), '保存').click();
  await page.getByText('趋势“测试趋势”已保存').waitFor();
  await go(page, '/trends');
  /* a click may meet a list that is just being drawn anew: again, until it has been heard */
  await until(async () => {
    if (page.url().includes(PENS[1]) && page.url().includes('axes=stacked')) return true;
    await page.locator('.saved-row').getByRole('button', { name: '测试趋势', exact: true }).click({ timeout: 2000 }).catch(() => {});
    return false;
  }, 'the saved pens', 20000, 500);
  await until(async () => (await inked()).every((p) => p.count > 10), 'the curves of the saved trend');
  const stored = async (from, to = 'now') => (await api.get(`/history/recorded?points=${PENS.join(',')}&from=${from}&to=${to}`)).series.reduce((n, s) => n + s.t.length, 0);
  const before = await until(async () => { const n = await stored('now-90s', 'now-3s'); return n > 6 && n; }, 'some samples');
  await button(page, '导出').click();
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByText('CSV：原始样本').click()]);
  const chunks = [];
  for await (const c of await file.createReadStream()) chunks.push(c);
  const lines = Buffer.concat(chunks).toString('utf8').trim().split(/\r?\n/);
  ok(lines.length > before && lines.length <= (await stored('now-10m')) + 1, `${lines.length} lines, ${before} samples before`);
  ok(PENS.every((c) => lines.some((l) => l.includes(c))), 'both pens');
  noFaults(page, 'saved trend');
});

// ---- (d) ----

test('points: search finds, two are changed at once', async () => {
  await go(page, '/points');
  await page.locator('.grid-row .live').first().waitFor();
  await page.getByPlaceholder('搜索编码或名称').fill('UI.F.');
  await page.getByText('共 4 项').waitFor();
  const boxes = page.locator('.grid-row .ant-checkbox-input');
  await boxes.nth(0).click();
  await boxes.nth(1).click();
  await button(page, '批量修改').click();
  await choose(page, dialog(page).getByRole('combobox'), 'period', /period/);
  await dialog(page).getByLabel('新值').fill('5s');
  await dialog(page).getByRole('button', { name: '修改 2 项' }).click();
  await dialog(page).locator('.report-count').first().waitFor();
  await shot(page, 'bulk-report');
  await button(dialog(page), '完成').click();
  const periods = (await api.get('/points?q=UI.F.&sort=code')).items.map((i) => [i.code, i.spec.period]);
  equal(periods, [['UI.F.ABCD', '5s'], ['UI.F.BADC', '5s'], ['UI.F.CDAB', '200ms'], ['UI.F.DCBA', '200ms']]);
  noFaults(page, 'bulk edit');
});

test('points: an import with a bad row is reported, and nothing of it is kept', async () => {
  const csv = 'code,name,device,address,type\nIMP.1,新一,PEER-1,400031,int16\nIMP.2,坏的,PEER-1,999999,int16\nIMP.3,新三,PEER-1,400033,int16\n';
  await button(page, '导入').click();
  await page.locator('input[type=file]').setInputFiles({ name: 'points.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
  await page.getByText('1 行有错误').waitFor();
  await dialog(page).getByText('IMP.2').waitFor();
  await shot(page, 'import-report');
  const start = dialog(page).getByRole('button', { name: /导入 \d 项/ });
  equal(await start.isDisabled(), true, 'import is locked while a row is bad');
  equal((await api.get('/points?q=IMP.')).total, 0, 'after the dry run');
  await dialog(page).getByText('跳过有错误的行').click();
  await start.click();
  await button(dialog(page), '完成').click();
  equal((await api.get('/points?q=IMP.&sort=code')).items.map((i) => i.code), ['IMP.1', 'IMP.3'], 'the good ones on demand');
  noFaults(page, 'import');
});

// ---- (e) ----

test('users: a viewer sees and cannot change', async () => {
  await go(page, '/r/users/new');
  await page.locator('main').getByLabel('编码').fill('li.si');
  await page.getByLabel('名称', { exact: true }).fill('李四');
  await choose(page, page.getByRole('combobox', { name: '角色' }), 'viewer', /viewer/);
  await page.keyboard.press('Escape');
  await button(page, '保存').click();
  await page.waitForURL(/\/r\/users\/(?!new)/);
  await button(page.locator('main'), '设置密码').click();
  await dialog(page).getByLabel('新密码', { exact: true }).fill('anode-cathode-77');
  await dialog(page).getByLabel('再次输入新密码').fill('anode-cathode-77');
  await button(dialog(page), '保存').click();
  await page.getByText('密码已保存').waitFor();
  noFaults(page, 'users');

  const his = await openContext(serve.base);
  await go(his, '/login');
  await his.getByLabel('用户名').fill('li.si');
  await his.getByLabel('密码').fill('anode-cathode-77');
  await button(his, '登录').click();
  await his.locator('.area-card').first().waitFor();
  await his.getByRole('link', { name: '实时测点' }).click();
  await his.locator('.grid-row .live').first().waitFor();
  for (const name of [/导入/, /批量修改/, /写入/]) equal(await his.getByRole('button', { name }).count(), 0, `button ${name}`);
  await his.getByRole('link', { name: '连接', exact: true }).click();
  await his.locator('.conn').first().waitFor();
  equal(await his.getByRole('button', { name: /接入设备|的操作/ }).count(), 0, 'changing channels');
  equal(await his.getByRole('link', { name: '用户', exact: true }).count(), 0, 'users in the menu');
  await shot(his, 'viewer-connections');
  const cookie = (await his.context().cookies()).map((c) => `${c.name}=${c.value}`).join('; ');
  const viewer = new Api(serve.base, { Cookie: cookie });
  await viewer.call('PATCH', '/points/UI.INT', { name: 'x' }, 403);
  await viewer.post('/points/UI.F.CDAB:write', { value: 1, confirm: true }, 403);
  await viewer.post('/channels', { code: 'X', spec: { driver: 'modbus_tcp' } }, 403);
  await viewer.get('/users', 403);
  noFaults(his, 'viewer');
  await his.context().close();
});

test('users: a token is shown once and works', async () => {
  await go(page, '/system/tokens');
  await page.getByRole('button', { name: '新建令牌' }).first().click();
  await dialog(page).getByLabel('名称').fill('MES');
  await choose(page, dialog(page).getByRole('combobox', { name: '角色' }), 'viewer', /viewer/);
  await page.keyboard.press('Escape');
  await button(dialog(page), '创建').click();
  const token = await page.locator('.token-box code').innerText();
  ok(token.startsWith('bn_') && token.length > 20, 'a token');
  await shot(page, 'token');
  const program = new Api(serve.base, { Authorization: `Bearer ${token}` });
  equal((await program.get('/points?size=1')).items.length, 1, 'read with the token');
  await program.call('PATCH', '/points/UI.INT', { name: 'x' }, 403);
  await button(dialog(page), '完成').click();
  await page.getByText('MES').first().waitFor();
  ok(!(await page.content()).includes(token), 'the token is gone from the page');
  ok(!JSON.stringify(await api.get('/tokens')).includes(token), 'and not in the API');
  noFaults(page, 'tokens');
});

// ---- (f) ----

test('generic pages: a stale edit meets a dialog, nothing is lost silently', async () => {
  const point = await api.get('/points/UI.U32');
  await go(page, `/r/points/${point.id}`);
  await page.getByLabel('量程上限').fill('123');
  await api.call('PATCH', `/points/${point.id}`, { spec: { hi: 999 } });
  await page.getByText(`刚保存了版本 ${point.rev + 1}`).waitFor();
  await button(page, '保存').click();
  await page.getByText('内容已被他人修改').waitFor();
  const text = await dialog(page).innerText();
  ok(text.includes('999') && text.includes('123'), 'both values are shown');
  await shot(page, 'conflict');
  await button(page, '用我的覆盖').click();
  await until(async () => (await api.get(`/points/${point.id}`)).spec.hi === 123, 'my value in the server');
});

test('generic pages: history shows what changed and goes back', async () => {
  const point = await api.get('/points/UI.U32');
  await page.getByRole('tab', { name: '变更历史' }).click();
  await page.getByText(`版本 ${point.rev}`).first().waitFor();
  const newest = await page.locator('.panel').filter({ hasText: `版本 ${point.rev}` }).first().innerText();
  ok(['spec.hi', '999', '123'].every((w) => newest.includes(w)), `the diff of the newest: ${newest}`);
  await shot(page, 'history');
  await page.getByRole('button', { name: '恢复到此版本' }).last().click();
  await dialog(page).getByRole('button', { name: '恢复到此版本' }).click();
  await page.getByText('已恢复到版本 1').waitFor();
  const after = await api.get(`/points/${point.id}`);
  equal([after.rev, after.spec.hi ?? null], [point.rev + 1, null]);
  noFaults(page, 'history');
});

// ---- (h) ----

const ROUTES = ['/', '/trends', `/trends?points=${PENS.join(',')}&from=now-5m&to=now`, '/points', '/connections', '/connections/new', '/r', '/r/channels', '/r/devices', '/r/points', '/r/archive-classes',
  '/r/users', '/r/roles', '/r/roles/administrator', '/r/trends', '/r/points/UI.INT', '/r/points?bin=1', '/r/user-kinds', '/r/user-kinds/new', '/r/code-rules', '/r/code-rules/new', '/system/tokens', '/system/sessions', '/system/audit',
  '/alarms', '/alarms?view=history', '/notices', '/r/push-devices', '/r/provision-profiles', '/r/message-channels', '/r/subscriptions', '/system/deliveries', '/system/orgs', '/r/groups', '/system/roles', '/system/jobs', '/r/schedules',
  '/system/settings', '/system/attachments', '/system/about', '/r/users/admin?tab=access', '/r/users/admin?tab=account', '/no/such/page',
  '/history', `/history?points=${PENS.join(',')}&from=now-10m&to=now&interval=1m`, `/history?mode=calc&expr=${encodeURIComponent(`'${PENS[0]}' / 2`)}&from=now-10m&to=now&interval=1m`, '/storage', '/storage?tab=usage', '/storage?tab=engines', '/storage?tab=damage',
  '/r/archive-classes/standard?tab=preview', `/r/points/${PENS[0]}?tab=advice`, '/r/ts-engines', '/r/ts-engines/new', '/r/line-mappings', '/mqtt-clients', '/r/mqtt-listeners', '/r/mqtt-listeners/default', `/r/points/${PENS[0]}?tab=blobs`, '/backups', '/r/backup-plans', '/r/backup-plans/new',
  '/forwards', '/r/forwards/new', '/r/forward-points', '/r/forward-points/new', '/mqtt-messages', '/r/payload-mappings', '/r/payload-mappings/new', '/r/mqtt-acls', '/r/mqtt-acls/new', '/certificates',
];
const nameOf = (path) => (path === '/' ? 'overview' : path.replace(/\?.*/, '-open').replace(/[^\w-]+/g, '-').replace(/^-/, ''));

async function walk(lang, width, height, cookies, bad) {
  const view = await openContext(serve.base, { lang, theme: 'light' }, { viewport: { width, height }, storageState: { cookies, origins: [] } });
  const themes = ['light', 'dark'];
  await go(view, '/');
  for (const path of ROUTES) {
    await route(view, path);
    await settled(view).catch((e) => bad.push(`${path}: ${e.message}`));
    const keys = await rawKeys(view);
    if (keys.length) bad.push(`${path}: raw keys ${keys}`);
    for (const theme of themes) {
      await themed(view, theme);
      const over = await widthOver(view);
      if (over > 0) bad.push(`${path}: ${over} px wider than ${width}`);
      if (process.env.BORNITE_SCREENS) await shot(view, `${width}-${lang}-${theme}-${nameOf(path)}`);
    }
    bad.push(...view.faults.splice(0).map((f) => `${path}: ${f}`));
    themes.reverse(); /* so that half of the pages are loaded in the dark */
  }
  await view.context().close();
}

for (const lang of ['zh', 'en']) {
  test(`pages: every page at 1440 and 390 px, ${lang}, light and dark`, async () => {
    const { cookies } = await page.context().storageState({ indexedDB: false });
    const bad = [];
    await Promise.all([walk(lang, 1440, 900, cookies, bad), walk(lang, 390, 844, cookies, bad)]);
    equal([...new Set(bad)], [], 'faults');
  });
}

test('pages: every entry of the menu leads to one of these pages', async () => {
  await go(page, '/');
  await page.locator('.area-card').first().waitFor();
  const links = await page.locator('.shell-menu a.menu-item').evaluateAll((a) => a.map((x) => x.getAttribute('href')));
  ok(links.length > 10, `${links.length} entries`);
  equal(links.filter((l) => !ROUTES.includes(l)), [], 'pages that no test looks at');
});

// ---- (g) ----

test('offline: a lost server is told, its return heals the page by itself', async () => {
  await go(page, '/points?q=UI.');
  await page.locator('.grid-row .live.good').first().waitFor();
  const port = String(serve.port);
  await stop(serve, 'SIGKILL');
  await page.locator('.banner.bad').waitFor();
  await page.locator('[data-net="offline"]').waitFor();
  await shot(page, 'offline');
  serve = await startServe(dir, ['--port', port]);
  await page.locator('.banner.bad').waitFor({ state: 'detached', timeout: 30000 });
  await page.locator('[data-net="open"]').waitFor({ timeout: 40000 });
  device.put('UI.INT', 1812);
  await until(async () => (await shownOn('UI.INT')).value === 1812, 'live values again', 40000);
  equal((await stop(serve)).code, 0, 'exit code');
  page.faults.splice(0);
});

await run();
