// preset: release
// Connecting and forwarding as a plant engineer does it on the first day, in Chromium against the real server: points
// are offered by Modbus and OPC UA with a few clicks and read by clients; a fault of the server stands at its folded
// field; a device is searched while it is browsed; a bad value says why; attributes and commands of an MQTT device.
import mqtt from 'mqtt';
import net from 'node:net';
import { Api, cleanup, equal, freePort, ok, run, startServe, tempDir, test as plain, until } from './lib.mjs';
import { button, dialog, go, launch, noFaults, openContext, rawKeys, settled, shot } from './browser/ui.mjs';

let serve, page, api, modbusPort, uaPort;

const test = (name, fn) => plain(name, () => fn().catch(async (e) => {
  if (page) await shot(page, 'failed-link').catch(() => {});
  throw e;
}));

async function fine(what) {
  await settled(page);
  equal(await rawKeys(page), [], `raw keys of ${what}`);
  noFaults(page, what);
}

// Chooses a protocol by what it is called.
async function protocol(id, text) {
  await page.locator(id).click();
  await page.locator(id).fill(text);
  await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option').filter({ hasText: text }).first().click();
}

// One request of Modbus TCP: holding registers as a big-endian float.
function readFloat(port, address) {
  return new Promise((resolve, reject) => {
    const s = net.connect(port, '127.0.0.1', () => s.write(Buffer.from([0, 1, 0, 0, 0, 6, 1, 3, address >> 8, address & 255, 0, 2])));
    s.setTimeout(5000, () => s.destroy(new Error('no answer')));
    s.on('error', reject);
    s.on('data', (d) => {
      s.destroy();
      if (d[7] !== 3) reject(new Error(`exception ${d[8]}`));
      else resolve(d.readFloatBE(9));
    });
  });
}

test('points with values', async () => {
  await launch();
  serve = await startServe(tempDir());
  page = await openContext(serve.base);
  await go(page, `/setup#${serve.link}`);
  await page.locator('.shell-menu').waitFor();
  const cookies = await page.context().cookies();
  api = new Api(serve.base, { Cookie: cookies.map((c) => `${c.name}=${c.value}`).join('; ') });
  [modbusPort, uaPort] = [await freePort(), await freePort()];
  for (const [code, name] of [['MILL1.LOAD', '磨机负荷'], ['MILL1.POWER', '磨机功率'], ['TANK.LEVEL', '槽液位']]) await api.post('/points', { code, name, spec: { type: 'float', unit: 't' } });
  const t = Date.now();
  await api.post('/samples', { samples: [{ point: 'MILL1.LOAD', t, v: 41.5 }, { point: 'MILL1.POWER', t, v: 2750 }, { point: 'TANK.LEVEL', t, v: 3.25 }] });
});

test('a forwarding is made with few fields, and a client reads it', async () => {
  await go(page, '/forwards');
  await button(page, '新建转发').first().click();
  await protocol('#outlet', 'Modbus TCP');
  equal(await page.locator('#options_connections').isVisible(), false, 'limits are folded');
  await page.locator('#options_port').fill(String(modbusPort));
  await dialog(page).getByText('自定义筛选').click();
  await page.locator('#rest_filter').fill("code~'MILL1'");
  await page.getByText('2 个测点').waitFor();
  await fine('the editor of a forwarding');
  await button(dialog(page), '保存').click();
  await page.locator('.frames-tools').waitFor();
  equal(await until(() => readFloat(modbusPort, 0).catch(() => null), 'the register of the first point'), 41.5);
  equal(await readFloat(modbusPort, 2), 2750);
  await page.getByRole('tab', { name: /测点/ }).click();
  await dialog(page).getByRole('cell', { name: '400001' }).waitFor();
  await fine('its drawer');
});

test('frames are found by bytes and paused', async () => {
  await page.getByRole('tab', { name: /状态/ }).click();
  await page.locator('.frame').first().waitFor();
  const find = page.locator('.frames-find input');
  await find.fill('00 01 00 00 00 06 01 03');
  await until(async () => (await page.locator('.frame').count()) > 0 && (await page.locator('.frame.tx').count()) === 0, 'only requests');
  await find.fill('no such words');
  await page.getByText('没有匹配的内容').waitFor();
  await find.fill('');
  await button(dialog(page), '暂停').click();
  const before = await page.locator('.frame').count();
  await readFloat(modbusPort, 0);
  equal(await page.locator('.frame').count(), before, 'a pause holds');
  await fine('frames');
});

test('a fault of the server opens the section that its field is folded into; nothing of another protocol stays', async () => {
  await go(page, '/forwards');
  await button(page, '新建转发').first().click();
  await protocol('#outlet', 'HTTP');
  await page.locator('#options_url').fill('http://127.0.0.1:1/in');
  await page.getByText('更多设置').click();
  await page.locator('#options_headers').fill('no header at all');
  await page.getByText('更多设置').click();
  await button(dialog(page), '保存').click();
  await page.locator('.ant-form-item-has-error', { hasText: 'no header at all' }).waitFor();
  await until(() => page.locator('#options_headers').isVisible(), 'the folded field');
  await protocol('#outlet', 'OPC UA');
  equal(await page.locator('#options_url').count(), 0);
  await page.locator('#options_port').fill(String(uaPort));
  await page.locator('#code').fill('ua');
  await page.getByText('安全与证书').click();
  for (const id of ['#options_none']) if (await page.locator(id).getAttribute('aria-checked') !== 'true') await page.locator(id).click();
  await button(dialog(page), '保存').click();
  await page.locator('.frames-tools').waitFor();
  const spec = (await api.get('/forwards/ua')).spec;
  equal([spec.outlet, spec.options.port, spec.options.url, spec.options.headers], ['opcua_server', uaPort, undefined, undefined]);
  await fine('the second forwarding');
});

test('a device is searched while one browses it; what was ticked becomes points', async () => {
  await go(page, '/connections/new');
  await protocol('#channel_driver', 'OPC UA');
  await page.locator('#channel_options_endpoint').fill(`opc.tcp://127.0.0.1:${uaPort}`);
  await button(page, '测试连接').click();
  await page.locator('.test-box .ant-alert-error').waitFor(); // its certificate is not trusted yet; here none is wanted
  await page.locator('#channel_options_security').click();
  await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option').filter({ hasText: /^无$/ }).click();
  await button(page, '测试连接').click();
  await page.locator('.test-box .ant-alert-success').waitFor();
  await button(page, '下一步').click();
  await page.locator('#device_code').waitFor();
  await button(page, '下一步').click();
  await button(page, '浏览设备').click();
  const search = page.getByRole('dialog').getByRole('searchbox');
  await search.fill('mill1 power');
  await search.press('Enter');
  await page.locator('.browse-find').first().waitFor();
  await page.locator('.browse-search .ant-spin').waitFor({ state: 'detached' });
  ok((await page.locator('.browse-find').allInnerTexts()).every((x) => x.includes('磨机功率')), 'only what was sought');
  await page.locator('.browse-find input').first().check();
  await button(dialog(page), '添加 1 个测点').click();
  await page.locator('.sheet-row').first().waitFor();
  await button(page, '试读').click();
  await page.getByText('2750').first().waitFor();
  await button(page, '上一步').click();
  await page.locator('#device_code').waitFor();
  await button(page, '上一步').click();
  equal(await page.locator('#channel_options_endpoint').inputValue(), `opc.tcp://127.0.0.1:${uaPort}`, 'back without loss');
  await button(page, '下一步').click();
  await button(page, '下一步').click();
  equal((await page.locator('.sheet-row').count()) > 0, true);
  await fine('the wizard');
});

test('a bad value says why, in the words of the device', async () => {
  await api.post('/channels', { code: 'MB', spec: { driver: 'modbus_tcp', options: { host: '127.0.0.1', port: modbusPort } } });
  await api.post('/devices', { code: 'MB-1', spec: { channel: 'MB', options: { unit: 1 } } });
  await api.post('/points', { code: 'MB.GOOD', name: '好点', spec: { device: 'MB-1', address: '400001', type: 'float', period: '100ms' } });
  await api.post('/points', { code: 'MB.WRONG', name: '错点', spec: { device: 'MB-1', address: '409001', type: 'float', period: '100ms' } });
  await until(async () => (await api.get('/current?points=MB.WRONG,MB.GOOD')).items.map((x) => x.q).sort().join() === 'bad,good', 'one good, one bad');
  await go(page, '/r/points/MB.WRONG');
  await page.locator('.why-words').first().waitFor();
  ok(/非法数据地址/.test(await page.locator('.why-words').first().innerText()), 'the exception in words');
  await page.locator('.why').getByText('对照设备点表核对地址').waitFor();
  equal(await page.locator('#spec_options_endpoint').count(), 0, 'no options of other protocols');
  await fine('the page of a point');
  await go(page, `/points?filter=${encodeURIComponent("code~'MB.'")}`);
  await page.locator('.quality-button').click();
  await page.locator('.why').waitFor();
  await fine('why in the list');
});

test('an MQTT device: attributes are set and confirmed, commands answered, refused, unanswered', async () => {
  await api.call('PATCH', '/mqtt-listeners/default', { spec: { port: 0, address: '127.0.0.1', enabled: true } });
  const port = await until(async () => (await api.get('/mqtt/status')).listeners.find((l) => !l.problem && l.port)?.port, 'the listener');
  await api.post('/push-devices', { code: 'PUMP', name: '水泵', spec: { create: true, commands: 'thingsboard' } });
  const { token } = await api.post('/push-devices/PUMP:token');
  const c = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { username: token, clientId: 'pump' });
  cleanup(() => c.endAsync(true));
  c.on('message', (topic, payload) => {
    const m = JSON.parse(payload.toString());
    if (!topic.includes('/request/')) c.publish('v1/devices/me/attributes', JSON.stringify(m), { qos: 1 });
    else if (m.method !== 'silent') c.publish(topic.replace('request', 'response'), JSON.stringify(m.method === 'hot' ? { error: 'motor too hot' } : { speed: m.params.speed }));
  });
  await c.subscribeAsync(['v1/devices/me/attributes', 'v1/devices/me/rpc/request/+'], { qos: 1 });
  await go(page, '/r/push-devices/PUMP?tab=down');
  await page.getByText('已订阅命令').waitFor();
  await button(page, '设置属性').click();
  await page.locator('#key').fill('period');
  await page.locator('#text').fill('5');
  await button(dialog(page), '下发').click();
  await page.getByText('已生效').waitFor();
  const send = async (method, params) => {
    await page.locator('#command_method').fill(method);
    await page.locator('#command_params').fill(params);
    await page.locator('.command-form button[type="submit"]').click();
    await button(dialog(page), '发送').click();
  };
  await send('spin', '{"speed":1480}');
  await page.locator('.ant-alert-success', { hasText: 'spin' }).waitFor();
  ok((await page.locator('.command-reply').last().innerText()).includes('1480'), 'the answer');
  await fine('a command');
  await send('hot', '');
  await page.locator('.ant-alert-error', { hasText: 'motor too hot' }).waitFor();
  await page.locator('#command_timeout').click();
  await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option').filter({ hasText: '2 秒' }).click();
  await send('silent', '');
  await page.locator('.command-wait').waitFor();
  await page.locator('.ant-alert-warning', { hasText: 'silent' }).waitFor();
  const rows = page.locator('.as-cards').last().locator('tbody tr');
  await until(async () => (await rows.count()) === 3, 'three commands in the history');
  equal((await api.get('/push-devices/PUMP/commands')).items.map((x) => x.outcome), ['unknown', 'refused', 'done']);
  await fine('attributes and commands');
});

test('the same pages on a phone are not too wide', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of ['/forwards?open=ua', '/connections?open=MB', '/r/push-devices/PUMP?tab=down', '/r/points/MB.WRONG', '/connections/new', '/certificates']) {
    await go(page, path);
    await settled(page);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    ok(over <= 0, `${path} is ${over} px too wide`);
    equal(await rawKeys(page), [], path);
  }
});

await run();
