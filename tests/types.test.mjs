// preset: release
// types.test.mjs - the UI's types are those of this server: web/src/lib/api.gen.ts is what the generator
// writes from this binary's OpenAPI, and real answers are as their declared schemas say.
import { readFileSync, writeFileSync } from 'node:fs';
import { typesOf } from '../web/scripts/types.mjs';
import { equal, fail, ok, run, signIn, startServe, tempDir, test, until } from './lib.mjs';

const FILE = new URL('../web/src/lib/api.gen.ts', import.meta.url);
const serve = await startServe(tempDir());
const api = await signIn(serve);
const doc = await api.get('/openapi.json');

// ---- a validator of the part of JSON Schema that the server writes ----
const typeIs = {
  string: (v) => typeof v === 'string',
  integer: Number.isInteger,
  number: (v) => typeof v === 'number',
  boolean: (v) => typeof v === 'boolean',
  null: (v) => v === null,
  array: Array.isArray,
  object: (v) => typeof v === 'object' && v !== null && !Array.isArray(v),
};

function faultsOfObject(schema, v, at) {
  const faults = (schema.required ?? []).filter((name) => !(name in v)).map((name) => `${at}.${name} is missing`);
  const closed = schema.properties && schema.additionalProperties === undefined;
  for (const [name, value] of Object.entries(v)) {
    const s = schema.properties?.[name] ?? schema.additionalProperties;
    if (typeof s === 'object') faults.push(...faultsOf(s, value, `${at}.${name}`));
    else if (closed || s === false) faults.push(`${at}.${name} is not declared`);
  }
  return faults;
}

export function faultsOf(schema, v, at = '$') {
  if (schema.$ref) return faultsOf(doc.components.schemas[schema.$ref.split('/').pop()] ?? fail(`${schema.$ref} is not there`), v, at);
  if (schema.anyOf) {
    const all = schema.anyOf.map((s) => faultsOf(s, v, at));
    return all.some((f) => f.length === 0) ? [] : all.flat();
  }
  const types = [schema.type ?? []].flat();
  if (types.length && !types.some((t) => typeIs[t](v))) return [`${at} is ${JSON.stringify(v)?.slice(0, 60)}, not ${types.join(' or ')}`];
  if (schema.enum && !schema.enum.includes(v)) return [`${at} is ${JSON.stringify(v)}, not one of ${schema.enum.join(', ')}`];
  if (schema.format === 'date-time' && Number.isNaN(Date.parse(v))) return [`${at} is no time: ${v}`];
  if (Array.isArray(v)) return v.flatMap((one, i) => (schema.items ? faultsOf(schema.items, one, `${at}[${i}]`) : []));
  return typeIs.object(v) ? faultsOfObject(schema, v, at) : [];
}

function schemaOf(method, path, part = 'answer') {
  const op = doc.paths[`/api/v1${path}`]?.[method.toLowerCase()] ?? fail(`${method} ${path} is not described`);
  const done = Object.keys(op.responses).find((s) => s.startsWith('2'));
  const content = (part === 'body' ? op.requestBody : op.responses[done])?.content;
  return content?.['application/json']?.schema ?? fail(`${method} ${path} has no ${part}`);
}

// The call is answered as declared; gives the answer. `path`: as the description writes it.
async function asDeclared(method, path, url, body) {
  if (body !== undefined) equal(faultsOf(schemaOf(method, path, 'body'), body), [], `${method} ${path}, body:`);
  const answer = await api.call(method, url ?? path, body);
  equal(faultsOf(schemaOf(method, path), answer), [], `${method} ${path}:`);
  return answer;
}

test('the committed types are those of this server', () => {
  const want = typesOf(doc), got = readFileSync(FILE, 'utf8');
  if (got === want) return;
  const a = got.split('\n'), b = want.split('\n'), i = b.findIndex((line, k) => line !== a[k]);
  if (process.env.BORNITE_WRITE_TYPES) writeFileSync(FILE, want);
  fail(`web/src/lib/api.gen.ts is stale at line ${i + 1}: "${a[i]}", the server says "${b[i]}"; `
    + 'run it with BORNITE_WRITE_TYPES=1, or node web/scripts/types.mjs with openapi.json of this binary');
});

test('the validator finds what is wrong', () => {
  const point = { $ref: '#/components/schemas/point' };
  ok(faultsOf(point, {}).length > 5);
  const current = schemaOf('GET', '/current');
  const item = { point: 1, code: 'A', t: null, v: null, q: 'bad', reason: '', age_ms: null };
  equal(faultsOf(current, { items: [item] }), []);
  equal(faultsOf(current, { items: [{ ...item, q: 'fine' }] }).length, 1);
  equal(faultsOf(current, { items: [{ ...item, age_ms: 'x' }] }).length, 2);
  equal(faultsOf(current, { items: [{ ...item, more: 1 }] }), ['$.items[0].more is not declared']);
});

// answered with a status alone, or with a redirect
const EMPTY = ['post /api/v1/deliveries/{id}:retry', 'post /api/v1/mqtt/clients/{id}:disconnect', 'get /api/v1/session/oidc/{provider}', 'get /api/v1/session/oidc/{provider}/callback', 'post /api/v1/session/password', 'post /api/v1/users/{id}:password',
  'post /api/v1/users/{id}:sign-out', 'post /api/v1/users/{id}:unlock', 'post /api/v1/{token}/attributes', 'post /api/v1/{token}/telemetry', 'get /ping', 'post /write', 'post /api/v2/write', 'post /api/v1/prometheus/read'];
test('no JSON answer of the API is left open but those that have no content', () => {
  const open = [];
  for (const [path, item] of Object.entries(doc.paths))
    for (const [method, op] of Object.entries(item))
      for (const [status, answer] of Object.entries(op.responses))
        if (status.startsWith('2') && Object.keys(answer.content?.['application/json']?.schema ?? { a: 1 }).length === 0 && !['delete'].includes(method)) open.push(`${method} ${path}`);
  equal(open.sort(), [...EMPTY].sort());
});

test('session, kinds, system', async () => {
  await asDeclared('GET', '/session');
  const { items } = await asDeclared('GET', '/kinds');
  await asDeclared('GET', '/kinds/{kind}', `/kinds/${items[0].kind}`);
  await asDeclared('GET', '/version');
  await asDeclared('GET', '/sessions');
  await asDeclared('POST', '/tokens', undefined, { name: 'types', roles: ['administrator'] });
  equal((await asDeclared('GET', '/tokens')).items.length, 1);
  await asDeclared('GET', '/audit');
  await asDeclared('GET', '/audit:verify');
});

test('resources', async () => {
  await asDeclared('POST', '/channels', undefined, { code: 'C1', name: 'C', spec: { driver: 'modbus_tcp', enabled: false, options: { host: '127.0.0.1', port: 1 } } });
  await asDeclared('POST', '/devices', undefined, { code: 'D1', name: 'D', spec: { channel: 'C1', area: 'T/A' } });
  await asDeclared('POST', '/points', undefined, { code: 'T1.P', name: 'P', labels: { a: 'b' }, spec: { area: 'T/A', unit: 't/h', key: true, archive: true } });
  await asDeclared('PATCH', '/points/{id}', '/points/T1.P', { name: 'P2', spec: { decimals: 1 } });
  await asDeclared('POST', '/points:bulk', undefined, { dry_run: true, skip_errors: true, items: [{ op: 'upsert', code: 'T2', name: 'x' }, { op: 'patch', id: 'none', name: 'y' }] });
  equal((await asDeclared('GET', '/points')).total, 1);
  await asDeclared('GET', '/points/{id}', '/points/T1.P');
  equal((await asDeclared('GET', '/points/{id}/history', '/points/T1.P/history')).items.length, 2);
  for (const plural of ['channels', 'devices', 'roles', 'users', 'archive-classes', 'trends']) await asDeclared('GET', `/${plural}`);
});

test('collecting', async () => {
  await asDeclared('GET', '/drivers');
  await until(async () => (await api.get('/channels:status')).items.length === 1, 'the channel');
  await asDeclared('GET', '/channels:status');
  await asDeclared('GET', '/channels/{id}/diagnostics', '/channels/C1/diagnostics');
  equal(faultsOf(schemaOf('POST', '/channels/{id}:test'), await api.post('/channels/C1:test')), []);
  await until(async () => (await api.get('/areas')).items.length === 1, 'the area');
  equal((await asDeclared('GET', '/areas')).items[0].key.length, 1);
  await asDeclared('GET', '/points:tree');
});

test('values and history', async () => {
  await asDeclared('GET', '/current', '/current?points=T1.P');
  const now = Date.now();
  const samples = [0, 1, 2].map((i) => ({ point: 'T1.P', t: now - 3000 + i * 1000, v: i === 1 ? null : i + 0.5, q: i === 1 ? 'bad' : 'good' }));
  equal(await asDeclared('POST', '/samples', undefined, { samples }), { stored: 3 });
  equal((await asDeclared('GET', '/current', '/current?points=T1.P')).items[0].v, 2.5);
  await asDeclared('POST', '/current', undefined, { points: ['T1.P'] });
  const range = 'points=T1.P&from=*-1h&to=*';
  for (const form of ['recorded', 'interpolated', 'plot']) await asDeclared('GET', `/history/${form}`, `/history/${form}?${range}`);
  await asDeclared('GET', '/history/summary', `/history/summary?${range}&interval=10m`);
  await asDeclared('GET', '/storage');
});

test('refusals', async () => {
  const problem = await (await api.raw('GET', '/points/none')).json();
  equal(faultsOf({ $ref: '#/components/schemas/Problem' }, problem), []);
});

await run();
