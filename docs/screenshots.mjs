// screenshots.mjs - makes the pictures of the user guide from the running demo, in Chinese and English:
//   node docs/screenshots.mjs BINARY [part of a picture's name, or several: blobs|mqtt]
// Starts `bornite sim` and `bornite serve` of BINARY on free ports with a data directory of its own, and
// writes PNGs with a palette into docs/guide/img. Needs Chromium and the packages of tests/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { deflateSync, crc32 } from 'node:zlib';

const root = new URL('../', import.meta.url).pathname;
process.env.BORNITE = resolve(process.argv[2] ?? `${root}build/release/bornite`);
const only = process.argv[3] ?? '';
process.argv.length = 2;
const { Api, cleanup, freePort, run, sleep, startServe, startSim, tempDir, test, until } = await import('../tests/lib.mjs');
const { dialog, go, launch, openContext, settled } = await import('../tests/browser/ui.mjs');
const { Device, POINTS } = await import('../tests/browser/device.mjs');

const require = createRequire(`${root}tests/`);
const mqtt = require('mqtt');

const OUT = `${root}docs/guide/img`;
const PENS = ['LT-GRD-SAG01.JI', 'LT-GRD-SAG01.WI', 'HX-ACD-BLW01.JI'];
const WORDS = {
  zh: { host: '主机', port: '端口', test: '测试连接', next: '下一步', code: '编码', area: '区域', paste: '粘贴表格', read: '试读', import: '导入', write: '写入', points: '测点', browse: '浏览设备', fields: '字段', life: '生命周期', permissions: '有效权限', heads: '编码\t名称\t地址\t数据类型\t字节序\t周期' },
  en: { host: 'Host', port: 'Port', test: 'Test connection', next: 'Next', code: 'Code', area: 'Area', paste: 'Paste a table', read: 'Test read', import: 'Import', write: 'Write', points: 'Points', browse: 'Browse', fields: 'Fields', life: 'Life cycle', permissions: 'Permissions', heads: 'code\tname\taddress\ttype\tbyte order\tperiod' },
};

// What the pictures of own kinds, people, alarms, jobs and messages show: made through the API.
const both = (zh, en) => ({ zh, en });
const SPARE = {
  kind: 'spare_part', plural: 'spare-parts', module: 'user', title: both('备件', 'Spare part'), titles: both('备件', 'Spare parts'), code: { required: false },
  fields: [
    { name: 'supplier', type: 'string', title: both('供应商', 'Supplier') }, { name: 'quantity', type: 'integer', min: 0, title: both('库存数量', 'In stock') },
    { name: 'device', type: 'ref', kind: 'device', title: both('设备', 'Device') }, { name: 'photo', type: 'file', accept: 'image', title: both('照片', 'Photo') },
  ],
  lists: { columns: ['code', 'name', 'supplier', 'quantity', 'device', 'state', 'updated_at'], sort: 'code' },
  lifecycle: {
    initial: 'draft',
    states: [{ state: 'draft', title: both('草稿', 'Draft'), color: 'blue' }, { state: 'pending', title: both('待审批', 'Pending'), color: 'gold', edit: false, delete: false }, { state: 'approved', title: both('已批准', 'Approved'), color: 'green', edit: false, delete: false }],
    transitions: [
      { name: 'submit', title: both('提交', 'Submit'), from: ['draft'], to: 'pending' },
      { name: 'approve', title: both('批准', 'Approve'), from: ['pending'], to: 'approved', action: 'approve', comment: 'optional', four_eyes: true },
      { name: 'reject', title: both('退回', 'Send back'), from: ['pending'], to: 'draft', action: 'approve', comment: 'required' },
    ],
  },
};
const PARTS = both(['磨机轴承', '密封圈', '衬板', '液压缸', '轧辊', '风机叶轮', '阀门', '热电偶'], ['Mill bearing', 'Gasket', 'Liner plate', 'Hydraulic cylinder', 'Roll', 'Fan impeller', 'Valve', 'Thermocouple']);
const SUPPLIERS = ['SKF', 'NSK', 'Timken', 'Festo'];
const DEVICES = ['LT-GRD-SAG01', 'HX-ACD-BLW01', 'JM-CST-CA02'];

async function ownKind(api) {
  await api.post('/user-kinds', { code: SPARE.kind, name: SPARE.title.en, spec: { document: SPARE } });
  await api.post('/code-rules', { code: 'spare', name: '', spec: { kind: SPARE.kind, pattern: 'SP-{yyyy}-{n:4}' } });
  const devices = (await api.get('/devices?size=1000')).items.map((d) => d.code);
  const rows = Array.from({ length: 60 }, (_, i) => ({ op: 'create', code: `SP-2026-${String(i + 1).padStart(4, '0')}`, name: `${PARTS.zh[i % 8]} ${100 + i}`, spec: { supplier: SUPPLIERS[i % 4], quantity: (i * 37) % 90, device: devices[i % devices.length] } }));
  await api.post('/spare-parts:bulk', { items: rows });
  for (const [n, name] of [['0001', 'SKF 23244'], ['0004', 'Festo DSNU-25'], ['0009', 'SKF 6205']]) { // handed in, their names stay
    await api.call('PATCH', `/spare-parts/SP-2026-${n}`, { name });
    await api.post(`/spare-parts/SP-2026-${n}:transition`, { transition: 'submit' });
  }
  for (const l of ['zh', 'en']) await api.post('/saved-views', { name: l === 'zh' ? '库存不足' : 'Low stock', spec: { kind: SPARE.kind, query: "quantity<30 and supplier in ('SKF','NSK')", columns: ['code', 'name', 'supplier', 'quantity', 'device', 'state'], sort: 'quantity' } });
}

// Three backups, the latest tried, so that their page has something to show.
async function backups(api) {
  await api.post('/backup-plans', { code: 'nightly', name: '每夜备份', spec: { target: `dir:${tempDir()}` } });
  for (const mode of ['full', 'incremental', 'incremental']) {
    await api.post('/backup-plans/nightly:run', { mode });
    await until(async () => (await api.get('/backups')).items.every((b) => b.state === 'done'), 'a backup', 60000, 300);
    await sleep(1500);
  }
  const [latest] = (await api.get('/backups')).items;
  await api.post(`/backups/${latest.id}:drill`);
  await until(async () => (await api.get(`/backups/${latest.id}`)).drill, 'the drill', 60000, 300);
  await api.get('/storage/usage?refresh=1&size=1');
}

// A fan's vibration: 1x and 2x of its speed, and a bearing.
async function vibration(api) {
  await api.post('/points', { code: 'VIB.FAN01', name: '风机振动', spec: { unit: 'mm/s' } });
  for (let k = 0; k < 8; k++) {
    const v = Array.from({ length: 8192 }, (_, i) => { const s = i / 5120; return Math.round(1000 * (2.1 * Math.sin(155 * s) + 0.8 * Math.sin(310 * s + 1) + 0.35 * Math.sin(3770 * s) + 0.2 * Math.sin(i * i * 7.7))) / 1000; });
    await api.post('/points/VIB.FAN01/waveforms', { t: new Date(Date.now() - k * 600000).toISOString(), dt_s: 1 / 5120, unit: 'mm/s', v });
  }
}

const PRESS = 'devices/GW-02/state';
async function mqttClients(api, base) {
  for (const code of ['GW-01', 'GW-02', 'METER-07', 'LAB-03']) {
    const d = await api.post('/push-devices', { code, name: code, spec: { create: true } });
    const { token } = await api.post(`/push-devices/${d.id}:token`);
    const c = mqtt.connect(`${base.replace('http', 'ws')}/mqtt`, { username: token, clientId: code.toLowerCase(), protocolVersion: 5 });
    cleanup(() => c.endAsync(true));
    await new Promise((r) => { c.once('connect', r); });
    await c.subscribeAsync(`devices/${code}/#`, { qos: 1 });
    for (let i = 0; i < 20; i++) await c.publishAsync('v1/devices/me/telemetry', JSON.stringify({ temperature: 40 + i, power: 300 + i }), { qos: 1 });
  }
}

// A message of a form of its own, for a mapping.
async function pressMessages(api, base) {
  const d = (await api.get('/push-devices')).items.find((x) => x.code === 'GW-02');
  const { token } = await api.post(`/push-devices/${d.id}:token`);
  const c = mqtt.connect(`${base.replace('http', 'ws')}/mqtt`, { username: token, clientId: 'press', protocolVersion: 5 });
  cleanup(() => c.endAsync(true));
  await new Promise((r) => { c.once('connect', r); });
  for (let i = 0; i < 5; i++) await c.publishAsync(PRESS, JSON.stringify({ at: new Date().toISOString(), line: 'filter-2', data: { pressure: 1.42 + i / 100, temperature: 38.6 + i / 10, cake_moisture: 8.7, running: true }, state: 'OK' }), { qos: 1 });
}

// A client that nobody trusts yet knocks at the demo's OPC UA server.
async function strangeClient(port) {
  const { OPCUAClient, MessageSecurityMode, SecurityPolicy } = require('node-opcua-client');
  const { OPCUACertificateManager } = require('node-opcua-certificate-manager');
  const manager = new OPCUACertificateManager({ rootFolder: tempDir(), automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const client = OPCUAClient.create({ applicationName: 'Historian', clientCertificateManager: manager, securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256, endpointMustExist: false, connectionStrategy: { maxRetry: 0 } });
  await client.connect(`opc.tcp://127.0.0.1:${port}`).catch(() => {});
  await client.disconnect().catch(() => {});
}

// An OPC UA server to browse.
async function startFurnace() {
  const { OPCUACertificateManager } = require('node-opcua-certificate-manager');
  const { OPCUAServer } = require('node-opcua-server');
  const { DataType, MessageSecurityMode, SecurityPolicy } = require('node-opcua-client');
  const dir = tempDir();
  const manager = new OPCUACertificateManager({ rootFolder: dir, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const server = new OPCUAServer({ port: await freePort(), hostname: '127.0.0.1', serverCertificateManager: manager, userCertificateManager: manager, certificateFile: `${dir}/server.pem`, securityPolicies: [SecurityPolicy.None], securityModes: [MessageSecurityMode.None], allowAnonymous: true });
  await server.initialize();
  const ns = server.engine.addressSpace.getOwnNamespace();
  const folder = ns.addFolder('ObjectsFolder', { browseName: 'Furnace 1' });
  for (let i = 1; i <= 12; i++) ns.addVariable({ componentOf: folder, browseName: `Zone ${i}`, nodeId: `s=Zone${i}`, dataType: 'Double' }).setValueFromSource({ dataType: DataType.Double, value: 1180 + i * 3.25 });
  await server.start();
  cleanup(() => server.shutdown(0));
  return { port: server.endpoints[0].port };
}

async function peopleAndMessages(api) {
  const orgs = (await api.get('/orgs:tree')).items;
  const org = orgs.find((o) => o.parent) ?? orgs[0];
  await api.post('/groups', { code: 'maintenance', name: '检修组', spec: { grants: [{ role: 'engineer', orgs: [org.id] }] } });
  await api.post('/users', { code: 'wang.wu', name: '王五', spec: { roles: ['viewer'], groups: ['maintenance'] } });
  await api.post('/message-channels', { code: 'shift-robot', name: '值班群机器人', spec: { type: 'wecom', url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=00000000' } });
  await api.post('/jobs', { type: 'system.integrity', params: {} });
  await api.post('/jobs', { type: 'system.prune', params: {} });
}

// Limits below what is measured: alarms of every priority, one acknowledged, one shelved.
async function alarms(api) {
  const values = (await api.post('/current', { filter: 'key=true' })).items.filter((p) => typeof p.v === 'number' && p.v > 1).slice(0, 14);
  let set = 0; // some have limits already, which would cross
  for (const [i, p] of values.entries()) {
    const limit = { [i % 3 === 0 ? 'hh' : 'h']: Number((p.v * 0.8).toPrecision(3)), alarm_priority: (i % 4) + 1 };
    if ((await api.raw('PATCH', `/points/${p.code}`, { spec: limit })).ok) set++;
  }
  const open = await until(async () => { const l = await api.get('/alarms'); return l.total >= Math.min(5, set) && l; }, 'alarms', 30000);
  await api.post(`/alarms/${open.items[1].id}:ack`, { comment: '已通知现场' });
  await api.post(`/alarms/${open.items[2].id}:shelve`, { until: new Date(Date.now() + 4 * 3600e3).toISOString(), reason: '仪表校验' });
}

const device = new Device();
let api, serve, page, blank, lang, w, furnace;

// ---- PNG with a palette ----

// In an empty page: the 255 commonest colours (5 bits a channel decide what is one colour), all others to the nearest.
async function indexed(png) {
  blank ??= await page.context().newPage(); // the server's pages may not fetch data: URLs
  return blank.evaluate(async (base64) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    const seen = new Map();
    for (let i = 0; i < data.length; i += 4) {
      const rgb = (data[i] << 16) | (data[i + 1] << 8) | data[i + 2];
      seen.set(rgb, (seen.get(rgb) ?? 0) + 1);
    }
    const cells = new Map();
    for (const [rgb, n] of [...seen].sort((a, b) => b[1] - a[1])) {
      const cell = ((rgb >> 19) << 10) | (((rgb >> 11) & 31) << 5) | ((rgb >> 3) & 31);
      const c = cells.get(cell);
      if (c) c.n += n;
      else cells.set(cell, { rgb, n });
    }
    const palette = [...cells.values()].sort((a, b) => b.n - a.n).slice(0, 255).map((c) => c.rgb);
    const nearest = (rgb) => {
      let best = 0, least = Infinity;
      palette.forEach((p, i) => {
        const d = ((p >> 16) - (rgb >> 16)) ** 2 + (((p >> 8) & 255) - ((rgb >> 8) & 255)) ** 2 + ((p & 255) - (rgb & 255)) ** 2;
        if (d < least) { least = d; best = i; }
      });
      return best;
    };
    const of = new Map([...seen.keys()].map((rgb) => [rgb, nearest(rgb)]));
    let text = '';
    for (let i = 0; i < data.length; i += 4) text += String.fromCharCode(of.get((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]));
    return { width: bitmap.width, height: bitmap.height, palette, pixels: btoa(text) };
  }, png.toString('base64'));
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

function encode({ width, height, palette, pixels }) {
  const raw = Buffer.from(pixels, 'base64');
  const rows = Buffer.alloc(height * (width + 1)); // filter 0 before each row
  for (let y = 0; y < height; y++) raw.copy(rows, y * (width + 1) + 1, y * width, (y + 1) * width);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((p) => [p >> 16, (p >> 8) & 255, p & 255]));
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('PLTE', colours), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))]);
}

// ---- the pictures ----


async function picture(name) {
  const png = encode(await indexed(await page.screenshot()));
  mkdirSync(OUT, { recursive: true });
  writeFileSync(`${OUT}/${name}-${lang}.png`, png);
  console.log(`     ${name}-${lang}.png ${Math.round(png.length / 1024)} KB`);
  if (png.length > 150 * 1024) throw new Error(`${name}-${lang}.png is over 150 KB`);
}
const button = (scope, name) => scope.getByRole('button', { name }).first();
const visible = (label) => page.getByLabel(label, { exact: true }).filter({ visible: true });

async function forwardDrawer(code) {
  await go(page, `/forwards?open=${code}`);
  await page.locator('.ant-drawer .frame').nth(3).waitFor({ timeout: 60000 }); // frames are kept while somebody looks
  await settled(page);
  await sleep(400); // the drawer slides in
}

async function pickProtocol(text) {
  await page.locator('.ant-select').first().click();
  await page.locator('.ant-select-item-option', { hasText: text }).first().click();
}

const pictures = {
  overview: async () => {
    await go(page, '/');
    await page.locator('.area-card .live').nth(20).waitFor();
    await settled(page);
    await picture('overview');
  },
  wizard: async () => {
    await go(page, '/connections/new');
    await page.getByLabel(w.host).fill('127.0.0.1');
    await page.getByLabel(w.port).fill(String(device.port));
    await button(page, w.test).click();
    await page.locator('.test-box .ant-alert').waitFor();
    await picture('wizard-channel');
    await button(page, w.next).click();
    await visible(w.area).fill('TEST/PUMP');
    await button(page, w.next).click();
    await button(page, w.paste).click();
    const names = lang === 'zh' ? ['流量', '压力', '温度'] : ['flow', 'pressure', 'temperature'];
    const rows = POINTS.map(([, address, type, order], i) => `PUMP1.P${String(i + 1).padStart(2, '0')}\t${names[i % 3]} ${i + 1}\t${address}\t${type}\t${type === 'bool' ? '' : order}\t1s`);
    await dialog(page).getByRole('textbox').fill([w.heads, ...rows].join('\n'));
    await dialog(page).locator('.ant-btn-primary').click();
    await button(page, w.read).click();
    await page.locator('.sheet-row .read-value').nth(POINTS.length - 1).waitFor();
    await picture('wizard-points');
  },
  diagnostics: async () => {
    await go(page, '/connections?open=LT-GRD');
    await page.locator('.ant-drawer .frame').first().waitFor(); // frames are kept from the moment that somebody looks
    await settled(page);
    await sleep(400); // the drawer slides in
    await picture('diagnostics');
  },
  points: async () => {
    await go(page, '/points?area=LT%2FGRD');
    await page.locator('.grid-row .live').nth(15).waitFor();
    await settled(page);
    await picture('points');
  },
  import: async () => {
    await go(page, '/points');
    await button(page, w.import).click();
    const csv = 'code,name,device,address,type,unit\nSAG01.NEW1,Liner wear,LT-GRD-SAG01,400901,float,mm\nSAG01.NEW2,Bad address,LT-GRD-SAG01,999999,float,mm\nSAG01.NEW3,No device,NO-SUCH-PLC,400903,float,mm\n';
    await page.locator('input[type=file]').setInputFiles({ name: 'points.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
    await dialog(page).getByText('SAG01.NEW3').waitFor();
    await sleep(300); // the dialog opens
    await picture('import');
  },
  trend: async () => {
    await go(page, `/trends?points=${PENS.join(',')}&from=now-2m&to=now`);
    await settled(page);
    const plot = await page.locator('.trend-plot .u-over').boundingBox();
    await page.mouse.click(plot.x + plot.width * 0.45, plot.y + plot.height / 2);
    await page.mouse.click(plot.x + plot.width * 0.8, plot.y + plot.height / 2);
    await sleep(1200); // the cursors settle into the URL, the figures follow
    await settled(page);
    await picture('trend');
  },
  list: async () => {
    const view = (await api.get('/saved-views')).items.find((v) => v.name === (lang === 'zh' ? '库存不足' : 'Low stock'));
    await go(page, `/r/spare-parts?view=${view.id}`);
    await settled(page);
    await page.keyboard.press('f');
    await page.locator('.table-banner, .filter-panel').first().waitFor();
    await sleep(500);
    await settled(page);
    await picture('list');
  },
  designer: async () => {
    await go(page, '/r/user-kinds/spare_part');
    await page.getByRole('tab', { name: w.fields }).click();
    await page.locator('.field-card').nth(1).getByRole('button').first().click();
    await page.locator('.field-card.open').waitFor();
    await settled(page);
    await picture('designer');
    await page.getByRole('tab', { name: w.life }).click();
    await page.locator('.life-graph').waitFor();
    await sleep(300);
    await picture('designer-life');
  },
  record: async () => {
    await go(page, '/r/spare-parts/SP-2026-0004');
    await page.locator('.life-bar').waitFor();
    await settled(page);
    await picture('record');
  },
  mapping: async () => {
    await go(page, '/r/spare-parts');
    await settled(page);
    await button(page, w.import).click();
    const head = lang === 'zh' ? '物料编码,名称,库存数量,设备,货架' : 'Code,Name,In stock,Device,Shelf';
    const csv = `${head}\n${PARTS[lang].map((p, i) => `X-${100 + i},${p},${i * 10},${DEVICES[i % 3]},A${i % 3}`).join('\n')}\n`;
    await page.locator('input[type=file]').setInputFiles({ name: 'parts.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
    await dialog(page).locator('.map-table').waitFor();
    await sleep(500); // the dialog opens
    await picture('mapping');
  },
  orgs: async () => {
    await go(page, '/system/orgs');
    await settled(page);
    await sleep(300);
    await picture('orgs');
  },
  permissions: async () => {
    await go(page, '/r/users/wang.wu');
    await page.getByRole('tab', { name: w.permissions }).click();
    await page.locator('.ant-table-row').nth(1).waitFor();
    await settled(page);
    await sleep(300);
    await picture('permissions');
  },
  alarms: async () => {
    await go(page, '/alarms');
    await settled(page);
    await sleep(500);
    await picture('alarms');
  },
  jobs: async () => {
    await go(page, '/system/jobs');
    await settled(page);
    await sleep(500);
    await picture('jobs');
  },
  history: async () => {
    await go(page, `/history?points=${PENS.join(',')}&from=now-10m&to=now&interval=30s&fn=average,maximum`);
    await page.locator('.ant-table-row').nth(5).waitFor();
    await settled(page);
    await picture('history');
  },
  advice: async () => {
    await go(page, `/r/points/${PENS[0]}?tab=advice&from=now-15m&to=now`);
    await page.locator('.ant-table-row').nth(3).waitFor();
    await settled(page);
    await picture('advice');
  },
  storage: async () => {
    await go(page, '/storage');
    await page.locator('.storage-figure').nth(5).waitFor();
    await settled(page);
    await picture('storage');
  },
  backups: async () => {
    await go(page, '/backups');
    await page.locator('.ant-table-row').first().waitFor();
    await settled(page);
    await picture('backups');
  },
  blobs: async () => {
    await go(page, '/r/points/VIB.FAN01?tab=blobs');
    await page.locator('.wave-line').nth(1).waitFor();
    await settled(page);
    await picture('blobs');
  },
  mqtt: async () => {
    await go(page, '/mqtt-clients');
    await page.locator('.ant-table-row').nth(3).waitFor();
    await settled(page);
    await picture('mqtt');
  },
  browse: async () => {
    await go(page, '/connections/new');
    await page.locator('.ant-select').first().click();
    await page.locator('.ant-select-item-option', { hasText: 'OPC UA' }).click();
    await page.locator('#channel_options_endpoint').fill(`opc.tcp://127.0.0.1:${furnace.port}`);
    await page.locator('#channel_code').fill('FURNACE');
    await button(page, w.next).click();
    await page.locator('#device_code').fill('F1');
    await button(page, w.next).click();
    await button(page, w.browse).click();
    const node = page.locator('.ant-tree-treenode', { hasText: 'Furnace' });
    await node.locator('.ant-tree-switcher').click();
    await page.locator('.ant-tree-treenode', { hasText: 'Zone 12' }).waitFor();
    await node.locator('.ant-tree-checkbox').click();
    await picture('browse');
    await page.locator('.ant-modal-close').click();
  },
  forwards: async () => {
    await go(page, '/forwards');
    await page.locator('.conn-row').nth(7).waitFor();
    await settled(page);
    await picture('forwards');
  },
  forward: async () => {
    await forwardDrawer('MES-UA');
    await picture('forward');
    await page.getByRole('tab', { name: w.points }).click();
    await page.locator('.ant-drawer .plain-table tbody tr').nth(30).waitFor();
    await settled(page);
    await sleep(400); // the mark moves to the other tab
    await picture('forward-points');
  },
  senders: async () => {
    for (const [name, code] of [['iec104-server', 'GRID-104'], ['hj212-sender', 'EPB-212'], ['mqtt-publisher', 'CLOUD-MQTT']]) {
      await forwardDrawer(code);
      await picture(name);
    }
  },
  protocols: async () => {
    for (const [name, code] of [['iec104', 'LT-SUB'], ['hj212', 'ENV-212'], ['http-client', 'LT-WEATHER'], ['tcp', 'HX-WEIGH'], ['websocket', 'EXT-WALL'], ['mqtt-client', 'EXT-CLOUD'], ['sparkplug', 'EXT-SPB']]) {
      await go(page, `/connections?open=${code}`);
      await page.locator('.ant-drawer .frame').first().waitFor({ timeout: 60000 });
      await settled(page);
      await sleep(400); // the drawer slides in
      await picture(name);
    }
  },
  serial: async () => {
    await go(page, '/connections/new');
    await pickProtocol(lang === 'zh' ? '串口' : 'serial');
    await settled(page);
    await sleep(300);
    await picture('modbus-serial');
  },
  certificates: async () => {
    await go(page, '/certificates');
    await page.locator('.ant-table-row').first().waitFor();
    await settled(page);
    await picture('certificates');
  },
  messages: async () => {
    await go(page, '/mqtt-messages');
    await page.locator('.ant-table-row').nth(8).waitFor();
    await settled(page);
    await picture('mqtt-messages');
  },
  payload: async () => {
    await go(page, `/r/payload-mappings/new?sample=${encodeURIComponent(PRESS)}`);
    for (const leaf of ['pressure', 'temperature', 'cake_moisture']) await page.locator('.map-node', { hasText: leaf }).first().click();
    await page.locator('.map-row').nth(2).waitFor();
    await settled(page);
    await sleep(800); // what would be stored comes from the server
    await page.locator('.map-row').first().scrollIntoViewIfNeeded();
    await picture('payload-mapping');
  },
  channel: async () => {
    await go(page, '/r/message-channels/shift-robot');
    await settled(page);
    await picture('channel');
  },
};

test('start', async () => {
  const [sim] = await Promise.all([startSim(['--speed', '20']), device.start(), launch()]);
  cleanup(() => device.stop());
  serve = await startServe(tempDir(), ['--demo', '--sim-port', String(sim.port)]);
  api = new Api(serve.base);
  const res = await api.raw('POST', '/session', { link: serve.link });
  api.headers.Cookie = res.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ');
  await api.post('/session/password', { new: 'copper-matte-slag' });
  serve.cookie = api.headers.Cookie.split('=');
  await until(async () => (await api.get('/areas')).items.every((a) => a.bad === 0), 'values', 60000);
  await ownKind(api);
  await peopleAndMessages(api);
  await vibration(api);
  await mqttClients(api, serve.base);
  await pressMessages(api, serve.base);
  furnace = await startFurnace();
  await strangeClient(sim.port + 27);
  await alarms(api);
  await until(async () => (await api.get(`/history/recorded?points=${PENS[0]}&from=*-10m`)).series[0].v.length > 18, 'some history', 200000, 1000);
});
for (const l of ['zh', 'en']) {
  test(`language ${l}`, async () => {
    [lang, w] = [l, WORDS[l]];
    blank = undefined;
    if (l === 'zh') await backups(api);
    await api.post('/spare-parts:bulk', { items: (await api.get(`/spare-parts?size=100&filter=state='draft'`)).items.map((r, i) => ({ op: 'patch', id: r.id, name: `${PARTS[l][i % 8]} ${100 + i}` })) });
    page = await openContext(serve.base, { lang }, { viewport: { width: 1440, height: 900 } });
    await page.context().addCookies([{ name: serve.cookie[0], value: serve.cookie.slice(1).join('='), url: serve.base }]);
  });
  for (const [name, make] of Object.entries(pictures)) if (new RegExp(only).test(name)) test(`${name} ${l}`, make);
}
await run();
