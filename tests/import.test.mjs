// Tables in and out from outside: XLSX of a writer that is not ours, the wizard's calls, jobs, reports, exports
// read back by that reader, round trips of every kind, rights, kill -9 in the middle.
import ExcelJS from 'exceljs';
import { Api, equal, ok, run, signIn, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
const ROWS = Number(process.env.ROWS ?? 3000);
let serve, admin;

const send = async (api, path, bytes, type) => {
  const res = await fetch(`${serve.base}/api/v1${path}`, { method: 'POST', headers: { ...api.headers, 'X-Bornite': '1', 'Content-Type': type }, body: bytes });
  return { status: res.status, body: await res.json() };
};
const upload = async (api, name, bytes) => {
  const r = await send(api, `/uploads?name=${encodeURIComponent(name)}`, bytes, 'application/octet-stream');
  equal(r.status, 201, JSON.stringify(r.body));
  return r.body;
};
const ended = (api, id, ms = 15000) =>
  until(async () => {
    const j = await api.get(`/jobs/${id}`);
    return ['done', 'failed', 'cancelled'].includes(j.state) && j;
  }, `job ${id}`, ms, 30);
const runImport = async (api, plural, body) => ended(api, (await api.post(`/${plural}:import-run`, body, 202)).job);

async function book(rows, { name = '测点', title } = {}) {
  const wb = new ExcelJS.Workbook();
  const ws = wb.addWorksheet(name);
  if (title) ws.addRow([title]);
  rows.forEach((r) => ws.addRow(r));
  return Buffer.from(await wb.xlsx.writeBuffer());
}
const export_ = async (api, path) => {
  const res = await api.raw('GET', path);
  equal(res.status, 200, `${path}: ${res.status}`);
  return Buffer.from(await res.arrayBuffer());
};

test('a device to hang points on', async () => {
  serve = await startServe(dir);
  admin = await signIn(serve);
  await admin.post('/session/password', { new: 'a copper-coloured horse' });
  await admin.post('/channels', { code: 'CH', spec: { driver: 'modbus_tcp', enabled: false, options: { host: '127.0.0.1', port: 1502 } } });
  await admin.post('/devices', { code: 'D1', spec: { channel: 'CH' } });
});

test('XLSX of exceljs in one request: Chinese titles, numbers as codes, formulas, merged title above', async () => {
  const rows = [['编码', '名称', 'device', 'address', 'type'], [1001, '炉温', 'D1', '400001', 'int16'], ['T2', { formula: 'A2&"x"', result: '1001x' }, 'D1', 400002, 'int16'], ['T3', { richText: [{ text: '富' }, { text: '文本' }] }, 'D1', '400003', 'int16']];
  const r = await send(admin, '/points:import', await book(rows), XLSX);
  equal([r.status, r.body.created, r.body.failed], [200, 3, 0], JSON.stringify(r.body));
  equal((await admin.get('/points/1001')).name, '炉温');
  equal((await admin.get('/points/T2')).name, '1001x');
  const p = await admin.get('/points/T3');
  equal([p.name, p.spec.address], ['富文本', '400003']);
});

test('the wizard: upload, preview with suggestions, dry run, run, report', async () => {
  const rows = [['编码*', '名字', '设备', '寄存器', 'type'], ['W1', 'a', 'D1', '400010', 'int16'], ['W2', 'b', 'NONE', '400011', 'int16'], ['W3', 'c', 'D1', '400012', 'int16']];
  const u = await upload(admin, '../清单.xlsx', await book(rows, { title: '测点清单' }));
  equal([u.name, u.type], ['清单.xlsx', XLSX]);
  const p = await admin.post('/points:import-preview', { upload: u.id });
  equal([p.format, p.sheets, p.header_row, p.rows], ['xlsx', ['测点'], 2, 3]);
  equal(p.columns[0].field, 'code', JSON.stringify(p.columns));
  equal(p.columns[2].field, 'spec.device');
  equal(p.columns[0].samples, ['W1', 'W2', 'W3']);
  ok(p.fields.some((f) => f.path === 'spec.address'));
  const mapping = [{ column: 0, field: 'code' }, { column: 1, field: 'name' }, { column: 2, field: 'spec.device' }, { column: 3, field: 'spec.address' }, { column: 4, field: 'spec.type' }];
  const body = { upload: u.id, sheet: p.sheet, header_row: p.header_row, mapping, defaults: { 'labels.area': 'LT' }, mode: 'upsert' };
  const dry = await runImport(admin, 'points', { ...body, dry_run: true });
  equal([dry.state, dry.result.created, dry.result.failed, dry.result.applied], ['done', 2, 1, false], JSON.stringify(dry));
  equal((await admin.raw('GET', '/points/W1')).status, 404);
  const all = await runImport(admin, 'points', body);
  equal([all.result.applied, all.result.failed], [false, 1]);
  equal((await admin.raw('GET', '/points/W1')).status, 404);
  const some = await runImport(admin, 'points', { ...body, skip_errors: true });
  equal([some.result.created, some.result.failed, some.result.rows.find((r) => r.status === 'failed').line], [2, 1, 4]);
  equal((await admin.get('/points/W1')).labels.area, 'LT');
  const report = await admin.get(`/jobs/${some.id}/report.csv`);
  ok(report.includes('4,W2,spec.device'), report);
  const update = await runImport(admin, 'points', { ...body, mode: 'update', skip_errors: true });
  equal([update.result.unchanged, update.result.failed], [2, 1]);
  const create = await runImport(admin, 'points', { ...body, mode: 'create', skip_errors: true });
  equal([create.result.created, create.result.failed], [0, 3]);
});

test('CSV of a Chinese Excel (GB18030), JSON and JSON lines', async () => {
  const gb = Buffer.concat([Buffer.from('code,name,device,address,type\r\nG1,'), Buffer.from([0xc2, 0xaf, 0xce, 0xc2]), Buffer.from(',D1,400020,int16\r\n')]);
  equal((await send(admin, '/points:import', gb, 'text/csv')).body.created, 1);
  equal((await admin.get('/points/G1')).name, '炉温');
  const one = (code) => ({ code, name: code, spec: { device: 'D1', address: '400021', type: 'int16' } });
  equal((await send(admin, '/points:import', JSON.stringify([one('J1'), one('J2')]), 'application/json')).body.created, 2);
  const lines = await send(admin, '/points:import', `${JSON.stringify(one('J3'))}\n${JSON.stringify(one('J2'))}\n`, 'application/json');
  equal([lines.body.created, lines.body.unchanged], [1, 1], JSON.stringify(lines.body));
});

test('what is no table is said', async () => {
  equal((await send(admin, '/points:import', 'PK\x03\x04 nonsense', XLSX)).status, 400);
  const old = await send(admin, '/points:import', Buffer.from('d0cf11e0a1b11ae1', 'hex'), XLSX);
  ok(old.body.detail.includes('.xls'), old.body.detail);
  equal((await send(admin, '/points:import', 'x', 'image/png')).status, 415);
});

test('exports: another reader sees types; injection is defused in CSV; every kind comes back unchanged', async () => {
  await admin.post('/points', { code: 'INJ', name: '=cmd|x', spec: { device: 'D1', address: '400030', type: 'int16' } });
  const csv = (await export_(admin, '/points:export?filter=code=INJ&columns=code,name')).toString();
  equal(csv, "\ufeffcode,name\r\nINJ,'=cmd|x\r\n");
  const wb = new ExcelJS.Workbook();
  await wb.xlsx.load(await export_(admin, '/points:export?format=xlsx&sort=-code&q=INJ'));
  equal(wb.worksheets[0].getCell('B2').value, '=cmd|x');
  equal(wb.worksheets[0].getCell('B2').type, ExcelJS.ValueType.String);
  await wb.xlsx.load(await export_(admin, '/points:template?format=xlsx'));
  ok(wb.worksheets[0].getCell('A1').font?.bold, 'a header in bold');
  ok(wb.worksheets[0].getCell('D1').note, 'a note');
  let kinds = 0;
  for (const k of (await admin.get('/kinds')).items) {
    if (k.api === false || k.single) continue;
    const total = (await admin.get(`/${k.plural}?size=1`)).total;
    if (!total) continue;
    for (const [format, type] of [['csv', 'text/csv'], ['xlsx', XLSX], ['json', 'application/json']]) {
      const bytes = await export_(admin, `/${k.plural}:export?format=${format}`);
      const r = await send(admin, `/${k.plural}:import?dry_run=1`, bytes, type);
      ok(r.status === 200 && r.body.unchanged === total, `${k.plural} ${format}: ${JSON.stringify(r.body).slice(0, 400)}`);
    }
    kinds++;
  }
  ok(kinds >= 4, `${kinds} kinds with something in them`);
});

test('rights: whoever may not write does not import; rows are checked by the one who sends them', async () => {
  await admin.post('/roles', { code: 'reader', spec: { permissions: [{ kinds: ['point', 'device'], actions: ['read'] }] } });
  await admin.post('/roles', { code: 'importer', spec: { permissions: [{ kinds: ['point'], actions: ['read', 'write'] }, { kinds: ['device'], actions: ['read'] }] } });
  for (const [login, role] of [['rita', 'reader'], ['ivan', 'importer']]) {
    const u = await admin.post('/users', { code: login, name: login, spec: { roles: [role] } });
    await admin.post(`/users/${u.id}:password`, { password: 'a quite long pass phrase' });
  }
  const rita = await signIn(serve, { login: 'rita', password: 'a quite long pass phrase' });
  const ivan = await signIn(serve, { login: 'ivan', password: 'a quite long pass phrase' });
  const table = await book([['code', 'device', 'address', 'type'], ['R1', 'D1', '400040', 'int16']]);
  const u = await upload(rita, 'a.xlsx', table);
  equal((await rita.raw('POST', '/points:import-run', { upload: u.id })).status, 403);
  equal((await ivan.raw('POST', '/points:import-run', { upload: u.id })).status, 404, "somebody else's upload");
  const mine = await upload(ivan, 'a.xlsx', table);
  const job = await runImport(ivan, 'points', { upload: mine.id });
  equal([job.state, job.result.created], ['done', 1], JSON.stringify(job));
  equal((await ivan.raw('POST', '/devices:import-run', { upload: mine.id })).status, 403);
  equal((await rita.raw('GET', `/jobs/${job.id}/report.csv`)).status, 404);
});

test('many points with a token of least rights, chunked; others change meanwhile', async () => {
  const t = await admin.post('/tokens', { name: 'import', roles: ['importer'], expires_at: new Date(Date.now() + 3600e3).toISOString() });
  const api = new Api(serve.base, { Authorization: `Bearer ${t.token}` });
  const rows = [['code', 'name', 'device', 'address', 'type']];
  for (let i = 0; i < ROWS; i++) rows.push([`M${i}`, `点 ${i}`, 'D1', String(400001 + (i % 60000)), 'int16']);
  const u = await upload(api, 'many.xlsx', await book(rows));
  const start = Date.now();
  const { job } = await api.post('/points:import-run', { upload: u.id, skip_errors: true }, 202);
  let slowest = 0, others = 0;
  for (;;) {
    const at = Date.now();
    await admin.call('PATCH', '/points/1001', { name: `n${others++}` });
    slowest = Math.max(slowest, Date.now() - at);
    if (['done', 'failed'].includes((await api.get(`/jobs/${job}`)).state)) break;
  }
  const j = await api.get(`/jobs/${job}`);
  equal([j.state, j.result?.created, j.result?.failed], ['done', ROWS, 0], JSON.stringify(j).slice(0, 500));
  console.log(`  ${ROWS} points in ${Date.now() - start} ms; ${others} other changes, the slowest ${slowest} ms`);
});

test('kill -9 in the middle: whole or not at all, and the job says so', async () => {
  const rows = [['code', 'device', 'address', 'type']];
  for (let i = 0; i < 5000; i++) rows.push([`K${i}`, 'D1', String(400001 + (i % 60000)), 'int16']);
  const u = await upload(admin, 'kill.xlsx', await book(rows));
  const { job } = await admin.post('/points:import-run', { upload: u.id }, 202);
  await until(async () => (await admin.get(`/jobs/${job}`)).state === 'running', 'the import to be at work', 60000, 5);
  await stop(serve, 'SIGKILL');
  serve = await startServe(dir);
  admin = await signIn(serve, { login: 'admin', password: 'a copper-coloured horse' });
  const j = await until(async () => {
    const x = await admin.get(`/jobs/${job}`);
    return x.state !== 'running' && x;
  }, 'the job to be found', 60000, 100);
  equal(j.state, 'failed', JSON.stringify(j));
  const there = await Promise.all(['K0', 'K2500', 'K4999'].map(async (code) => (await admin.raw('GET', `/points/${code}`)).status));
  ok(new Set(there).size === 1, `whole or not at all: ${there}`);
  const again = await runImport(admin, 'points', { upload: u.id, dry_run: true });
  equal([again.state, again.result.created + again.result.unchanged], ['done', 5000], 'the upload is still there');
});

await run();
