// Options of every driver and outlet that the server offers: what is required with the defaults is taken; a malformed text is
// refused with the name of its option in both languages, or works: it is stored, and what has it can be opened.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { equal, freePort, ok, run, signIn, startServe, tempDir, test } from './lib.mjs';

let api, port, pair;
// A certificate and its key, given together.
const PAIRS = [['tls_certificate', 'tls_key'], ['certificate', 'private_key'], ['user_certificate', 'user_key']];
const NONSENSE = '\u0001 {{[ :: ${nope} %% \\q';

// What a required option gets, by its name.
const EXAMPLES = {
  host: '127.0.0.1', device: '/dev/ttyS99', endpoint: 'opc.tcp://127.0.0.1:1', mn: '010000A8900016F000169DC0', group: 'plant',
  token: 'a-long-token', username: 'u', password: 'p', key: 'k', client_id: 'c', client_secret: 's', fixed_length: 8, frame_length: 8,
  identity: 'field 1', cursor_path: '$.next', time_pattern: '%Y', page_size: 10,
  url: (name) => (name.startsWith('websocket') ? 'ws://127.0.0.1:1/s' : 'http://127.0.0.1:1/a'), token_url: () => 'http://127.0.0.1:1/t',
  proxy: 'http://127.0.0.1:1',
};
// Texts in which anything may stand, since it is sent, shown or compared as it is: taken, and then it opens, or refused at its
// place (control characters in a password, say). All others must be refused.
const FREE = new Set([
  'online', 'offline', 'subscribe', 'template_head', 'template_join', 'template_tail', 'measurement', 'username', 'password', 'scope', 'client_secret', 'key', 'id',
  'offline_words', 'good_words', 'uncertain_words', 'quality_good', 'quality_uncertain', 'columns', 'select_value', 'page_param', 'offset_param',
  'cursor_param', 'proxy_username', 'proxy_password',
]);
const isFree = (o) => FREE.has(o.name) || (o.name === 'client_id' && o.show_if?.field === 'auth');

const row = (table, name) => table.find((o) => o.name === name);
const valueOf = (table, v, name) => v[name] ?? row(table, name)?.default;
const shown = (table, o, v) => !o.show_if || o.show_if.in.includes(valueOf(table, v, o.show_if.field));

// Values under which `option` is shown, with all that is required then.
function values(name, table, option) {
  const v = {};
  for (let o = option; o?.show_if; o = row(table, o.show_if.field)) {
    if (!o.show_if.in.includes(row(table, o.show_if.field)?.default)) v[o.show_if.field] = o.show_if.in[0];
  }
  for (const o of table) {
    const needed = o.required || (o.name === 'token' && (name === 'websocket_server' || v.mode === 'server')) || (o.name === 'page_size' && v.paging === 'offset');
    // nobody listens on port 1; who listens himself gets a free one
    if (o.name === 'port' && shown(table, o, v)) v.port = row(table, 'host') && shown(table, row(table, 'host'), v) ? 1 : port;
    if (v[o.name] !== undefined || o.default !== undefined || !needed || !shown(table, o, v)) continue;
    const x = EXAMPLES[o.name];
    ok(x !== undefined, `${name}: this test has no example for the required option '${o.name}'`);
    v[o.name] = typeof x === 'function' ? x(name) : x;
  }
  if (v.user === 'username' || (option?.name === 'password' && row(table, 'username'))) v.username ??= 'u';
  if (option?.name.startsWith('proxy_')) v.proxy = EXAMPLES.proxy;
  for (const [cert, key] of PAIRS) {
    if (option?.name === cert) v[key] = pair.key;
    if (option?.name === key) v[cert] = pair.cert;
    if (v.user === 'certificate' && cert.startsWith('user')) Object.assign(v, { [cert]: pair.cert, [key]: pair.key });
  }
  return v;
}
const texts = (table) => table.filter((o) => o.type === 'string' || o.type === 'secret');
const malformed = (o) => NONSENSE.slice(0, o.max ?? 1000).padEnd(o.min ?? 0, '{');

function certificate() {
  const dir = tempDir();
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test', '-keyout', 'key.pem', '-out', 'cert.pem'],
    { cwd: dir, stdio: 'ignore' });
  return { cert: readFileSync(join(dir, 'cert.pem'), 'utf8'), key: readFileSync(join(dir, 'key.pem'), 'utf8') };
}

let serial = 0;
async function ask(path, body, lang) {
  const r = await api.raw('POST', path, body, { 'Accept-Language': lang });
  return { status: r.status, text: await r.text() };
}
const named = (spec) => ({ code: `X${++serial}`, name: `X${serial}`, spec });

// One malformed text; what is wrong with the answers, or nothing.
async function tryOne(path, tests, make, name, table, option) {
  const v = { ...values(name, table, option), [option.name]: malformed(option) };
  const place = `spec.options.${option.name}`;
  const [en, zh] = await Promise.all([ask(path, named(make(v)), 'en'), ask(path, named(make(v)), 'zh-CN')]);
  if (isFree(option) && en.status === 201) {
    if (!tests) return undefined;
    const opened = await ask(`${path}:test`, { spec: make(v) }, 'en');
    return opened.status === 200 && JSON.parse(opened.text).code !== 'invalid' ? undefined : `does not open: ${opened.status} ${opened.text}`;
  }
  for (const r of [en, zh]) if (r.status !== 400 || !r.text.includes(`"${place}"`)) return `must be refused at ${place}: ${r.status} ${r.text}`;
  if (!/[\u4e00-\u9fff]/.test(zh.text)) return `is not told in Chinese: ${zh.text}`;
  if (!tests) return undefined;
  const r = await ask(`${path}:test`, { spec: make(v) }, 'en');
  return r.status === 400 && r.text.includes(`"${place}"`) ? undefined : `a test must refuse it, too: ${r.status} ${r.text}`;
}

async function walk(path, tests, name, table, make) {
  const wrong = [];
  const plain = await ask(path, named(make(values(name, table, null))), 'en');
  if (plain.status !== 201) wrong.push(`${name}: what is required is refused: ${plain.text}`);
  for (const option of texts(table)) {
    const why = await tryOne(path, tests, make, name, table, option);
    if (why) wrong.push(`${name}.${option.name} ${why.slice(0, 400)}`);
  }
  return wrong;
}
async function all(jobs) {
  const wrong = (await Promise.all(jobs)).flat();
  equal(wrong, [], `${wrong.length} wrong:\n${wrong.join('\n')}\n`);
}

test('channels of every driver', async () => {
  const serve = await startServe(tempDir());
  api = await signIn(serve);
  port = await freePort();
  pair = certificate();
  const { items } = await api.get('/drivers');
  ok(items.length >= 10, `${items.length} drivers`);
  await all(items.map((d) => walk('/channels', true, d.name, d.channel, (options) => ({ driver: d.name, options }))));
});

test('devices of every driver', async () => {
  const { items } = await api.get('/drivers');
  await all(items.map(async (d) => {
    const channel = `C_${d.name}`;
    await api.post('/channels', { code: channel, name: channel, spec: { driver: d.name, options: values(d.name, d.channel, null) } });
    return walk('/devices', false, d.name, d.device, (options) => ({ channel, options }));
  }));
});

test('forwardings of every outlet', async () => {
  const { items } = await api.get('/outlets');
  ok(items.length >= 10, `${items.length} outlets`);
  await all(items.map((o) => walk('/forwards', true, o.name, o.channel, (options) => ({ outlet: o.name, enabled: false, options }))));
});

run();
