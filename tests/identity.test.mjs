// identity.test.mjs - signing in: second factors (read from the QR code by a reader that we did not write),
// password rules, sessions, service accounts, separate administrators; OpenID Connect against a provider that
// we did not write, and attacks on it; LDAP against OpenLDAP's slapd.
import { createHmac } from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import jsQR from 'jsqr';
import { Events, OAuth2Server } from 'oauth2-mock-server';
import { Api, cleanup, equal, fail, freePort, ok, run, signIn, startServe, tempDir, test, until } from './lib.mjs';

const PASSWORD = 'four unrelated words, please';
let serve, admin;

async function setUp() {
  if (serve) return;
  serve = await startServe(tempDir());
  admin = await signIn(serve);
  await admin.post('/session/password', { new: PASSWORD });
}
async function makeUser(login, spec = { roles: ['viewer'] }) {
  await admin.post('/users', { code: login, name: login, spec });
  await admin.post(`/users/${login}:password`, { password: PASSWORD }, 204);
}
// All tests come from one address, which waits after the failures that some of them make.
async function enterWith(body) {
  return until(async () => {
    const res = await new Api(serve.base).raw('POST', '/session', body);
    if (res.status === 429) return null;
    if (res.status !== 200) return { failed: `${res.status} ${await res.text()}` };
    const api = new Api(serve.base, { Cookie: res.headers.getSetCookie()[0].split(';')[0] });
    api.session = await res.json();
    return api;
  }, `${body.login} to be let in`, 60000, 300).then((api) => (api.failed ? fail(`${body.login}: ${api.failed}`) : api));
}
const enter = (login, more = {}) => enterWith({ login, password: PASSWORD, ...more });
async function refused(body, status = 401) {
  const res = await until(async () => {
    const got = await new Api(serve.base).raw('POST', '/session', body);
    return got.status === 429 ? null : got;
  }, 'an answer other than "wait"', 90000, 300);
  equal(res.status, status, JSON.stringify(body));
  return res.json();
}

// ---- one-time codes, computed here ----
function base32(text) {
  let bits = '';
  for (const c of text) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0');
  return Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
}
function totp(secret, at = Date.now()) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30000)));
  const mac = createHmac('sha1', base32(secret)).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0');
}
function readQr(svg) {
  const side = Number(svg.match(/viewBox="0 0 (\d+)/)[1]), zoom = 4, n = side * zoom;
  const pixels = new Uint8ClampedArray(n * n * 4).fill(255);
  for (const [, x, y, w] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1/g))
    for (let py = y * zoom; py < (+y + 1) * zoom; py++)
      for (let px = x * zoom; px < (+x + +w) * zoom; px++) pixels.fill(0, (py * n + px) * 4, (py * n + px) * 4 + 3);
  return jsQR(pixels, n, n)?.data;
}

test('second factor: set up by its QR code, needed from then on, each code once, recovery codes, removal', async () => {
  await setUp();
  await makeUser('totp');
  const u = await enter('totp');
  const begun = await u.post('/session/totp');
  equal(readQr(begun.qr_svg), begun.uri);
  ok(begun.uri.startsWith('otpauth://totp/Bornite:totp?secret=') && begun.uri.includes(begun.secret));
  equal((await refused({ login: 'totp', password: 'wrong wrong' })).code, 'unauthenticated');
  await enter('totp'); // not confirmed: not asked for
  await u.call('POST', '/session/totp:confirm', { code: '000000' }, 400);
  const code = totp(begun.secret, Date.now() - 30000);
  const { recovery_codes: codes } = await u.post('/session/totp:confirm', { code });
  equal(codes.length, 10);
  equal(new Set(codes).size, 10);
  equal((await u.get('/session')).second_factor, true);
  equal((await refused({ login: 'totp', password: PASSWORD })).code, 'second_factor');
  equal((await refused({ login: 'totp', password: PASSWORD, code })).code, 'second_factor', 'the code that confirmed');
  const next = totp(begun.secret);
  await enter('totp', { code: next });
  await refused({ login: 'totp', password: PASSWORD, code: next }); // replayed
  await enter('totp', { code: codes[0] });
  await refused({ login: 'totp', password: PASSWORD, code: codes[0] });
  await enter('totp', { code: codes[1].toUpperCase().replaceAll('-', '') });
  await u.call('POST', '/session/totp', {}, 409);
  await u.call('DELETE', '/session/totp', { code: 'nonsense' }, 400);
  await u.call('DELETE', '/session/totp', { code: codes[2] }, 204);
  await enter('totp');
});

test('second factor: guesses are slowed down, an administrator can take it away', async () => {
  await setUp();
  await makeUser('guess');
  const u = await enter('guess'), { secret } = await u.post('/session/totp');
  await u.post('/session/totp:confirm', { code: totp(secret) });
  let last;
  for (let i = 0; i < 8 && last !== 429; i++) {
    const res = await new Api(serve.base).raw('POST', '/session', { login: 'guess', password: PASSWORD, code: String(i).padStart(6, '0') });
    last = res.status;
  }
  equal(last, 429);
  await admin.call('DELETE', '/users/guess/totp', undefined, 204);
  await admin.post('/users/guess:unlock', undefined, 204);
  await until(async () => (await new Api(serve.base).raw('POST', '/session', { login: 'guess', password: PASSWORD })).status === 200, 'the peer to be let in again', 20000, 500);
});

test('a role that needs a second factor can do nothing before it is set', async () => {
  await setUp();
  await makeUser('must', { roles: ['operator'] });
  await admin.call('PATCH', '/security-settings/default', { spec: { second_factor_roles: ['operator'] } });
  const u = await enter('must');
  equal((await u.get('/session')).must_add_second_factor, true);
  await u.get('/points', 403);
  await u.call('POST', '/tokens', { name: 't', roles: ['operator'] }, 403);
  const { secret } = await u.post('/session/totp');
  await u.post('/session/totp:confirm', { code: totp(secret) });
  await u.get('/points');
  await admin.call('PATCH', '/security-settings/default', { spec: { second_factor_roles: [] } });
});

test('password rules of the settings: length, classes, words, history', async () => {
  await setUp();
  await makeUser('rules');
  await admin.call('PATCH', '/security-settings/default', { spec: { password_length: 14, password_classes: 3, password_history: 3, password_forbidden: ['longtan'] } });
  const u = await enter('rules');
  const change = (fresh, want, old = PASSWORD) => u.call('POST', '/session/password', { old, new: fresh }, want);
  await change('Short-1-here', 400);
  await change('only lower case letters', 400);
  await change('My LongTan 2026 password', 400);
  const good = (n) => `Quite different number ${n}`;
  await change(good(1), 204);
  await change(good(1), 400, good(1));
  await change(good(2), 204, good(1));
  await change(good(1), 400, good(2));
  await change(good(3), 204, good(2));
  await change(good(4), 204, good(3));
  await change(good(1), 204, good(4));
  await admin.call('PATCH', '/security-settings/default', { spec: { password_length: 10, password_classes: 0, password_history: 0, password_forbidden: [] } });
});

test('sessions: listed, limited in number, ended one by one', async () => {
  await setUp();
  await makeUser('many');
  await admin.call('PATCH', '/security-settings/default', { spec: { session_count: 2 } });
  const one = await enter('many'), two = await enter('many'), three = await enter('many');
  await one.get('/session', 401);
  await two.get('/session');
  const mine = (await three.get('/sessions')).items;
  equal(mine.length, 2);
  ok(mine.every((s) => s.login === 'many' && s.peer && s.agent && s.seen_at));
  ok((await admin.get('/sessions')).items.length > mine.length);
  await three.call('DELETE', `/sessions/${mine.find((s) => !s.current).id}`, undefined, 204);
  await two.get('/session', 401);
  const foreign = (await admin.get('/sessions')).items.find((s) => s.login === 'admin').id;
  await three.call('DELETE', `/sessions/${foreign}`, undefined, 404);
  await admin.call('PATCH', '/security-settings/default', { spec: { session_count: 50 } });
});

test('service accounts have tokens, no password; tokens have a longest life', async () => {
  await setUp();
  await admin.post('/users', { code: 'robot', name: 'Robot', spec: { roles: ['engineer'], service: true } });
  await admin.post('/users/robot:password', { password: PASSWORD }, 400);
  await refused({ login: 'robot', password: PASSWORD });
  const { id, token } = await admin.post('/tokens', { name: 'import', user: 'robot', roles: ['engineer'] });
  const robot = new Api(serve.base, { Authorization: `Bearer ${token}` });
  await robot.get('/points');
  await robot.get('/users', 403);
  equal((await robot.get('/session')).user.login, 'robot');
  const listed = (await admin.get('/tokens')).items.find((t) => t.id === id);
  equal([listed.login, listed.created_by], ['robot', 'admin']);
  await until(async () => (await admin.get('/tokens')).items.find((t) => t.id === id).used_at, 'the last use');
  await admin.call('POST', '/tokens', { name: 'x', user: 'many', roles: ['viewer'] }, 403);
  await admin.call('PATCH', '/security-settings/default', { spec: { token_days: 30 } });
  await admin.call('POST', '/tokens', { name: 'x', roles: ['viewer'] }, 400);
  await admin.post('/tokens', { name: 'x', roles: ['viewer'], expires_at: new Date(Date.now() + 86400e3).toISOString() });
  await admin.call('PATCH', '/security-settings/default', { spec: { token_days: 0 } });
  await admin.call('PATCH', '/users/robot', { spec: { roles: ['viewer'] } });
  await robot.call('POST', '/points', { code: 'x', name: 'x', spec: { type: 'double' } }, 403);
  await admin.call('PATCH', '/users/robot', { spec: { disabled: true } });
  await robot.get('/points', 401);
});

test('organisations are a tree; codes of users are theirs alone; the last administrator stays', async () => {
  await setUp();
  const org = (code, parent) => admin.post('/orgs', { code, name: code, spec: { type: 'plant', ...(parent && { parent }) } });
  await org('top');
  await org('mid', 'top');
  const low = await org('low', 'mid');
  await admin.call('PATCH', '/orgs/top', { spec: { parent: 'low' } }, 400);
  await admin.call('PATCH', '/orgs/top', { spec: { parent: 'top' } }, 400);
  const tree = (await admin.get('/orgs:tree')).items;
  equal(tree.map((t) => [t.code, t.children]), [['top', 1], ['mid', 1], ['low', 0]]);
  await admin.post('/users', { code: 'twin', name: 'twin', org: 'low', spec: {} });
  await admin.call('POST', '/users', { code: 'twin', name: 'twin', org: 'mid', spec: {} }, 409);
  equal((await admin.get('/orgs:tree')).items.find((t) => t.id === low.id).counts, { user: 1 });
  await admin.call('DELETE', '/orgs/low', undefined, 409);
  await admin.call('PATCH', '/users/admin', { spec: { disabled: true } }, 409);
  await admin.call('PATCH', '/users/admin', { spec: { roles: ['viewer'] } }, 409);
  await admin.call('PATCH', '/roles/administrator', { spec: { permissions: [] } }, 409);
});

test('who may what, and why', async () => {
  await setUp();
  await admin.post('/groups', { code: 'shift', name: 'Shift', spec: { grants: [{ role: 'operator', orgs: ['mid'] }] } });
  await makeUser('asked', { roles: ['viewer'], groups: ['shift'] });
  const all = await admin.get('/users/asked/permissions');
  equal(all.groups, ['shift']);
  const control = all.rows.find((r) => r.kind === '*' && r.actions.includes('control'));
  equal(control.from, [{ role: 'operator', via: 'shift' }]);
  equal(control.orgs.map((o) => o.code), ['mid']);
  equal(all.rows.find((r) => r.kind === '*' && r.actions.length === 1).orgs, 'all');
  const ask = (q) => admin.post('/permissions:check', { user: 'asked', ...q });
  equal((await ask({ kind: 'point', action: 'control', org: 'low' })).allowed, true);
  equal((await ask({ kind: 'point', action: 'control', org: 'low' })).because.map((b) => b.via), ['shift']);
  equal((await ask({ kind: 'point', action: 'control', org: 'top' })).allowed, false);
  equal((await ask({ kind: 'user', action: 'read' })).allowed, false);
  const u = await enter('asked');
  equal((await u.get(`/users/${u.session.user.id}/permissions`)).user.login, 'asked');
  await u.get('/users/admin/permissions', 404);
  const matrix = await admin.get('/roles:matrix');
  equal(matrix.roles.find((r) => r.code === 'viewer').cells.point, ['read']);
  equal(matrix.roles.find((r) => r.code === 'viewer').cells.user, []);
  ok(matrix.kinds.some((k) => k.kind === 'audit'));
});

// ---- OpenID Connect ----
let idp, attack = null;
async function provider() {
  if (idp) return;
  await setUp();
  idp = new OAuth2Server();
  await idp.issuer.keys.generate('RS256');
  await idp.start(0, '127.0.0.1');
  cleanup(() => idp.stop());
  idp.issuer.url = `http://127.0.0.1:${idp.address().port}`;
  idp.service.on(Events.BeforeTokenSigning, (token) => {
    Object.assign(token.payload, { sub: 'u-1', preferred_username: 'lihua', name: '李华', email: 'li@example.com', groups: ['plant-operators'] });
    if (token.payload.nonce === undefined && idp.nonce) token.payload.nonce = idp.nonce;
    token.payload.aud = 'bornite-client';
    attack?.claims?.(token.payload);
  });
  idp.service.on(Events.BeforeResponse, (res) => attack?.response?.(res));
  await admin.post('/oidc-providers', {
    code: 'corp', name: 'Corporate',
    spec: { issuer: idp.issuer.url, client_id: 'bornite-client', client_secret: 'sesame', create_users: true, mapping: [{ group: 'plant-operators', role: 'operator', orgs: ['mid'] }] },
  });
}
const raw = (path, headers = {}) => fetch(serve.base + path, { redirect: 'manual', headers });

// The browser's way: to the provider, there and back.
async function walk(code = 'corp') {
  const begin = await raw(`/api/v1/session/oidc/${code}`);
  equal(begin.status, 302);
  const to = new URL(begin.headers.get('location')), browser = begin.headers.getSetCookie()[0].split(';')[0];
  idp.nonce = to.searchParams.get('nonce');
  equal([to.searchParams.get('code_challenge_method'), to.searchParams.get('response_type')], ['S256', 'code']);
  const back = await fetch(to, { redirect: 'manual' });
  const at = new URL(back.headers.get('location'));
  return { browser, path: at.pathname + at.search, params: at.searchParams };
}
async function arrive(w, { path = w.path, browser = w.browser } = {}) {
  return raw(path, { Cookie: browser });
}
function sessionOf(res) {
  const cookie = res.headers.getSetCookie().find((c) => c.startsWith('bornite_session='));
  return new Api(serve.base, { Cookie: cookie.split(';')[0] });
}

test('OIDC: signs in, creates the user by rule, groups give roles in organisations', async () => {
  await provider();
  equal((await new Api(serve.base).get('/session/options')).oidc, [{ code: 'corp', name: 'Corporate' }]);
  const res = await arrive(await walk());
  equal([res.status, res.headers.get('location')], [302, '/'], await res.text());
  const u = sessionOf(res);
  equal((await u.get('/session')).user, { id: (await u.get('/session')).user.id, login: 'lihua', name: '李华', roles: ['operator'] });
  const check = (org) => u.post('/permissions:check', { kind: 'point', action: 'control', org });
  equal([(await check('low')).allowed, (await check('top')).allowed], [true, false]);
  equal((await admin.get('/users?q=lihua')).total, 1);
  const again = sessionOf(await arrive(await walk()));
  equal((await again.get('/session')).user.id, (await u.get('/session')).user.id);
  attack = { claims: (p) => (p.groups = []) };
  const less = sessionOf(await arrive(await walk()));
  equal((await less.get('/session')).user.roles, []);
  attack = null;
});

test('OIDC: attacks are refused', async () => {
  await provider();
  const b64 = (v) => Buffer.from(JSON.stringify(v)).toString('base64url');
  const resign = (change) => ({
    response: (res) => {
      if (!res.body.id_token) return;
      const [h, p, s] = res.body.id_token.split('.');
      res.body.id_token = change(JSON.parse(Buffer.from(h, 'base64url')), JSON.parse(Buffer.from(p, 'base64url')), s);
    },
  });
  const now = Math.floor(Date.now() / 1000);
  const attacks = {
    'another nonce': { claims: (p) => (p.nonce = 'other') },
    'no nonce': resign((h, p, s) => (delete p.nonce, `${b64(h)}.${b64(p)}.${s}`)),
    'another audience': { claims: (p) => (p.aud = 'somebody-else') },
    'two audiences without azp': { claims: (p) => (p.aud = ['bornite-client', 'x']) },
    'another azp': { claims: (p) => (p.azp = 'x') },
    'a foreign issuer': { claims: (p) => (p.iss = 'https://evil.example') },
    'run out': { claims: (p) => ((p.exp = now - 300), (p.iat = now - 600)) },
    'from the future': { claims: (p) => (p.iat = now + 3600) },
    'nobody': { claims: (p) => delete p.sub },
    'alg none': resign((h, p) => `${b64({ alg: 'none', typ: 'JWT' })}.${b64(p)}.`),
    'alg HS256 with the public key': resign((h, p) => {
      const text = `${b64({ ...h, alg: 'HS256' })}.${b64(p)}`;
      return `${text}.${createHmac('sha256', 'sesame').update(text).digest('base64url')}`;
    }),
    'changed after signing': resign((h, p, s) => `${b64(h)}.${b64({ ...p, preferred_username: 'admin' })}.${s}`),
    'no token': { response: (res) => delete res.body.id_token },
    'the login of a local account': { claims: (p) => Object.assign(p, { sub: 'u-evil', preferred_username: 'admin' }) },
    'no login': { claims: (p) => Object.assign(p, { sub: 'u-2', preferred_username: '' }) },
  };
  for (const [name, how] of Object.entries(attacks)) {
    attack = how;
    const res = await arrive(await walk());
    ok([401, 403].includes(res.status), `${name}: ${res.status} ${await res.text()}`);
    ok(!res.headers.getSetCookie().some((c) => c.startsWith('bornite_session=')), name);
    attack = null;
  }
  const w = await walk();
  equal((await arrive(w, { browser: 'bornite_oidc=planted' })).status, 401, 'another browser');
  equal((await arrive(w)).status, 401, 'the state was used up by it');
  const x = await walk();
  equal((await arrive(x)).status, 302);
  equal((await arrive(x)).status, 401, 'replayed');
  const y = await walk();
  equal((await arrive(y, { path: y.path.replace(/state=[^&]+/, 'state=guessed') })).status, 401);
  const z = await walk();
  equal((await arrive(z, { path: `${z.path}&iss=https://evil.example` })).status, 401);
  equal((await raw('/api/v1/session/oidc/nobody')).status, 404);
});

test('OIDC: ES256 works, a foreign discovery document and a missing provider do not', async () => {
  await provider();
  const rsa = idp, es = new OAuth2Server();
  await es.issuer.keys.generate('ES256');
  await es.start(0, '127.0.0.1');
  cleanup(() => es.stop());
  es.issuer.url = `http://127.0.0.1:${es.address().port}`;
  es.service.on(Events.BeforeTokenSigning, (t) => Object.assign(t.payload, { sub: 'u-9', preferred_username: 'elliptic', aud: 'c', nonce: t.payload.nonce ?? idp.nonce }));
  await admin.post('/oidc-providers', { code: 'es', name: 'ES', spec: { issuer: es.issuer.url, client_id: 'c', create_users: true } });
  equal((await arrive(await walk('es'))).status, 302);
  equal(idp, rsa);
  await admin.post('/oidc-providers', { code: 'foreign', name: 'Foreign', spec: { issuer: idp.issuer.url.replace('127.0.0.1', 'localhost'), client_id: 'x' } });
  equal((await raw('/api/v1/session/oidc/foreign')).status, 502);
  await admin.call('PATCH', '/oidc-providers/corp', { spec: { disabled: true } });
  equal((await raw('/api/v1/session/oidc/corp')).status, 404);
});

// ---- LDAP ----
const LDIF = `dn: dc=plant,dc=test
objectClass: dcObject
objectClass: organization
dc: plant
o: Plant

dn: cn=service,dc=plant,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: service
userPassword: look it up

dn: ou=people,dc=plant,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=plant,dc=test
objectClass: organizationalUnit
ou: groups

dn: uid=wang,ou=people,dc=plant,dc=test
objectClass: inetOrgPerson
uid: wang
cn: Wang Wei
sn: Wang
mail: wang@plant.test
userPassword: an old directory password

dn: uid=zhang,ou=people,dc=plant,dc=test
objectClass: inetOrgPerson
uid: zhang
cn: Zhang San
sn: Zhang
userPassword: another directory password

dn: cn=engineers,ou=groups,dc=plant,dc=test
objectClass: groupOfNames
cn: engineers
member: uid=wang,ou=people,dc=plant,dc=test
`;

async function slapd() {
  const dir = tempDir(), port = await freePort();
  mkdirSync(join(dir, 'db'));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem'), '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'], { stdio: 'ignore' });
  const conf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${dir}/slapd.pid
TLSCertificateFile ${dir}/cert.pem
TLSCertificateKeyFile ${dir}/key.pem
TLSCACertificateFile ${dir}/cert.pem
security simple_bind=128
database mdb
suffix "dc=plant,dc=test"
rootdn "cn=root,dc=plant,dc=test"
rootpw root
directory ${dir}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=service,dc=plant,dc=test" read by anonymous auth by * none
`;
  writeFileSync(join(dir, 'slapd.conf'), conf);
  writeFileSync(join(dir, 'data.ldif'), LDIF);
  execFileSync('/usr/sbin/slapadd', ['-f', join(dir, 'slapd.conf'), '-l', join(dir, 'data.ldif')], { stdio: 'pipe' });
  const child = spawn('/usr/sbin/slapd', ['-d', '0', '-f', join(dir, 'slapd.conf'), '-h', `ldap://127.0.0.1:${port}/`], { stdio: 'ignore' });
  cleanup(() => child.kill());
  await until(() => new Promise((resolve) => {
    const s = net.connect(port, '127.0.0.1', () => resolve(s.destroy() && true)).on('error', () => resolve(false));
  }), 'slapd to listen');
  return { port, ca: readFileSync(join(dir, 'cert.pem'), 'utf8') };
}

test('LDAP: StartTLS, service account, escaped logins, groups to roles', async () => {
  if (!existsSync('/usr/sbin/slapd')) fail('slapd is not installed (apt-get install slapd)');
  await setUp();
  const { port, ca } = await slapd();
  const spec = {
    url: `ldap://127.0.0.1:${port}`, start_tls: true, ca_pem: ca, bind_dn: 'cn=service,dc=plant,dc=test', bind_password: 'look it up',
    base: 'ou=people,dc=plant,dc=test', groups_base: 'ou=groups,dc=plant,dc=test', create_users: true, mapping: [{ group: 'engineers', role: 'engineer' }],
  };
  await admin.post('/ldap-servers', { code: 'dir', name: 'Directory', spec });
  equal((await admin.get('/ldap-servers/dir')).spec.bind_password, null);
  const body = (login, password) => ({ login, password });
  const wang = await enterWith(body('wang', 'an old directory password'));
  equal([wang.session.user.name, wang.session.user.roles], ['Wang Wei', ['engineer']]);
  equal((await admin.get('/users/wang')).spec.email, 'wang@plant.test');
  const zhang = await enterWith(body('zhang', 'another directory password'));
  equal(zhang.session.user.roles, []);
  await zhang.get('/points', 403);
  for (const [login, password] of [['wang', 'wrong'], ['wang', 'another directory password'], ['*', 'an old directory password'], ['wan*', 'an old directory password'], ['wang)(uid=*', 'an old directory password'], ['*)(|(uid=*', 'x'], ['wang\\2a', 'x']]) {
    const res = await new Api(serve.base).raw('POST', '/session', body(login, password));
    ok([401, 429].includes(res.status), `${login}: ${res.status}`);
  }
  await admin.post('/users/wang:unlock', undefined, 204);
  await until(async () => (await new Api(serve.base).raw('POST', '/session', body('zhang', 'another directory password'))).status === 200, 'the peer to be let in again', 40000, 500);
  await admin.call('PATCH', '/ldap-servers/dir', { spec: { ca_pem: null } }); // a certificate that nobody vouches for
  equal((await refused(body('zhang', 'another directory password'))).code, 'unauthenticated');
  await admin.call('PATCH', '/ldap-servers/dir', { spec: { ca_pem: ca, start_tls: false } }); // the directory insists
  await refused(body('zhang', 'another directory password'));
  await admin.call('PATCH', '/ldap-servers/dir', { spec: { start_tls: true, url: 'ldap://127.0.0.1:1' } });
  await refused(body('zhang', 'another directory password'));
});

test('separate administrators: nobody holds two of the three, nor everything', async () => {
  await setUp();
  await admin.call('PATCH', '/security-settings/default', { spec: { separate_admins: true } }, 400);
  for (const role of ['system_admin', 'security_admin', 'audit_admin']) await makeUser(role, { roles: [role] });
  const security = await enter('security_admin');
  await admin.call('DELETE', '/users/admin', undefined, [204, 409]);
  for (const u of (await security.get('/users?size=100')).items)
    if (u.spec.roles?.length && (await security.get(`/users/${u.id}/permissions`)).rows.some((r) => r.from.some((f) => f.role === 'administrator')))
      await security.call('PATCH', `/users/${u.id}`, { spec: { roles: ['viewer'] } });
  await security.call('PATCH', '/security-settings/default', { spec: { separate_admins: true } });
  const set = (roles, want) => security.call('PATCH', '/users/many', { spec: { roles } }, want);
  await set(['administrator'], 400);
  await set(['security_admin', 'audit_admin'], 400);
  await set(['system_admin', 'security_admin'], 400);
  await set(['system_admin', 'audit_admin'], 400);
  await set(['audit_admin', 'viewer'], 200);
  await security.call('POST', '/groups', { code: 'both', name: 'both', spec: { roles: ['security_admin'], members: ['many'] } }, 400);
  await security.call('POST', '/roles', { code: 'both', name: 'both', spec: { permissions: [{ kinds: ['user', 'audit'], actions: ['admin'] }] } }, 400);
  await security.call('PATCH', '/users/security_admin', { spec: { roles: ['viewer'] } }, 409);
  await security.get('/audit', 403);
  const audit = await enter('audit_admin'), system = await enter('system_admin');
  await audit.get('/audit');
  await audit.call('PATCH', '/users/many', { spec: { roles: [] } }, 403);
  await system.get('/users', 403);
  await system.get('/audit', 403);
  await system.get('/points');
});
run();
