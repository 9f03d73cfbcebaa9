// The routes of the mock around generic resources: files, life cycles, bin, where-used, import wizard, jobs,
// code rules, user kinds, organisations. more(call) answers or gives undefined when the path is another's.
import { randomBytes } from 'node:crypto';
import { addKind, all, bin, copy, create, find, kindOf, kinds, need, patch, Problem, removeKind, restore, setState } from './mock-store.mjs';

const uploads = new Map();
const attachments = new Map();
const jobs = new Map();
const id = () => randomBytes(8).toString('hex');

export const rowsOfText = (text) => {
  const clean = text.replace(/^\ufeff/, '');
  const mark = clean.split('\n')[0].includes('\t') ? '\t' : ',';
  return clean.split(/\r?\n/).filter((l) => l.trim()).map((l) => {
    const out = [];
    let cell = '';
    let quoted = false;
    for (let i = 0; i < l.length; i++) {
      if (quoted && l[i] === '"' && l[i + 1] === '"') cell += l[i++];
      else if (l[i] === '"') quoted = !quoted;
      else if (l[i] === mark && !quoted) { out.push(cell); cell = ''; } else cell += l[i];
    }
    return [...out, cell];
  });
};

const leaves = (fields, prefix) => fields.flatMap((f) => (f.type === 'object' ? leaves(f.fields ?? [], `${prefix}${f.name}.`) : f.read_only || f.type === 'secret' ? [] : [{ path: `${prefix}${f.name}`, title: f.title?.zh ?? f.name, required: Boolean(f.required), f }]));
const targets = (k) => [{ path: 'code', title: '编码', required: Boolean(k.code?.required) }, { path: 'name', title: '名称', required: false }, ...leaves(k.fields, 'spec.')];

function inputOf(k, cells, mapping, defaults) {
  const input = { spec: {}, labels: {} };
  const put = (path, text) => {
    if (text === '' || text === undefined) return;
    const t = targets(k).find((x) => x.path === path);
    let v = text;
    if (t?.f?.type === 'ref') v = find(t.f.kind, text)?.now.id ?? text;
    else if (['number', 'integer'].includes(t?.f?.type) && !Number.isNaN(Number(text))) v = Number(text);
    else if (t?.f?.type === 'boolean') v = ['true', '是', '1', 'yes'].includes(text);
    else if (t?.f?.type === 'enum') v = t.f.values.find((x) => x.value === text || x.title?.zh === text || x.title?.en === text)?.value ?? text;
    if (path.startsWith('labels.')) input.labels[path.slice(7)] = text;
    else if (!path.startsWith('spec.')) input[path] = v;
    else path.slice(5).split('.').reduce((o, key, i, parts) => (i === parts.length - 1 ? (o[key] = v) : (o[key] ??= {})), input.spec);
  };
  for (const [path, text] of Object.entries(defaults ?? {})) put(path, text);
  for (const m of mapping) put(m.field, cells[m.column]);
  return input;
}

function runImport(k, b, bulk) {
  const rows = rowsOfText(uploads.get(b.upload).data.toString('utf8')).slice(b.header_row);
  const items = rows.map((cells, i) => ({ line: i + 1 + b.header_row, op: b.mode === 'create' ? 'create' : 'upsert', ...inputOf(k, cells, b.mapping, b.defaults) }));
  const job = { id: id(), type: 'import', title: { zh: '导入', en: 'Import' }, state: 'running', by: 'admin', progress: { done: 0, total: rows.length }, created_at: new Date().toISOString() };
  jobs.set(job.id, job);
  const step = () => {
    if (job.state !== 'running') return;
    job.progress.done = Math.min(rows.length, job.progress.done + Math.max(1, Math.ceil(rows.length / 4)));
    if (job.progress.done < rows.length) return void setTimeout(step, 250);
    const checked = bulk(k, items, true);
    const keep = !b.dry_run && (b.skip_errors || checked.failed === 0);
    job.result = { dry_run: Boolean(b.dry_run), applied: keep, ...(keep ? bulk(k, items, false) : checked) };
    job.state = 'done';
  };
  setTimeout(step, 200);
  return job;
}

function transitionsOf(k, r) {
  return (k.lifecycle?.transitions ?? []).filter((x) => x.from.includes(r.state)).map((x) => {
    const missing = (x.requires ?? []).filter((f) => r.spec[f] === undefined);
    const why = missing.length ? `请先填写：${missing.map((f) => k.fields.find((y) => y.name === f)?.title?.zh ?? f).join('、')}` : x.four_eyes && process.env.MOCK_FOUR_EYES ? '不能由提交人自己批准' : '';
    return { name: x.name, title: x.title, to: x.to, allowed: !why, why_not: why, comment: x.comment ?? 'none', requires: x.requires ?? [], four_eyes: Boolean(x.four_eyes) };
  });
}

function whereUsed(k, target) {
  return kinds.flatMap((o) => o.fields.filter((f) => (f.type === 'ref' && f.kind === k.kind) || (f.items?.type === 'ref' && f.items.kind === k.kind)).flatMap((f) => all(o.kind).filter((r) => [r.spec[f.name]].flat().includes(target.id)).map((r) => ({ kind: o.kind, id: r.id, code: r.code, name: r.name, path: `spec.${f.name}` }))));
}

function planOf({ document, renames }) {
  const old = kindOf(document.kind);
  if (!old) return { rows: 0, loses: false, changes: [] };
  const rows = all(old.kind);
  const renamed = new Map(Object.entries(renames ?? {}));
  const gone = old.fields.filter((f) => !renamed.has(f.name) && !document.fields.some((g) => g.name === f.name));
  const changes = [
    ...document.fields.filter((g) => !old.fields.some((f) => f.name === g.name) && ![...renamed.values()].includes(g.name)).map((g) => ({ path: `spec.${g.name}`, what: { zh: g.default !== undefined ? `新字段，填入默认值 ${g.default}` : '新字段', en: 'new field' }, affected: g.default !== undefined ? rows.length : 0, lost: 0, examples: [] })),
    ...[...renamed].map(([a, b]) => ({ path: `spec.${a}`, what: { zh: `改名为 ${b}`, en: `renamed to ${b}` }, affected: rows.filter((r) => r.spec[a] !== undefined).length, lost: 0, examples: rows.filter((r) => r.spec[a] !== undefined).slice(0, 3).map((r) => ({ code: r.code, before: r.spec[a], after: r.spec[a] })) })),
    ...gone.map((f) => { const hit = rows.filter((r) => r.spec[f.name] !== undefined); return { path: `spec.${f.name}`, what: { zh: '字段被删除', en: 'field removed' }, affected: hit.length, lost: hit.length, examples: hit.slice(0, 3).map((r) => ({ code: r.code, before: r.spec[f.name], after: null })) }; }),
  ];
  return { rows: rows.length, loses: changes.some((c) => c.lost > 0), changes };
}

export async function more({ method, path, q, raw, json, text, by, bulk }) {
  const key = `${method} ${path}`;
  const m = /^\/([a-z0-9-]+)(?:\/([^/:]+))?(?:\/([a-z-]+))?(?::([a-z-]+))?$/.exec(path);
  const body = () => JSON.parse(text() || '{}');
  if (key === 'POST /uploads') {
    const u = { id: id(), name: q.get('name') ?? 'file', size: raw.length, sha256: id(), type: /\.(png|jpe?g|gif|webp)$/i.test(q.get('name') ?? '') ? 'image/png' : 'application/octet-stream' };
    uploads.set(u.id, { ...u, data: raw });
    return json(201, u);
  }
  if (key === 'GET /orgs:tree') return json(200, { items: all('org').map((o) => ({ id: o.id, code: o.code, name: o.name, type: o.spec.type, parent: o.spec.parent ?? '', children: all('org').filter((c) => c.spec.parent === o.id).length, counts: {} })) });
  if (key === 'POST /user-kinds:plan') return json(200, planOf(body()));
  if (key === 'GET /saved-views') { /* generic list */ }
  if (m?.[1] === 'attachments' && m[2]) {
    const a = attachments.get(m[2]);
    if (!a) throw new Problem(404, 'not_found', '没有这个附件');
    if (method === 'DELETE') { attachments.delete(m[2]); return json(200, null); }
    return { content: a.data, type: a.type };
  }
  if (m?.[1] === 'jobs' && m[2]) {
    const job = jobs.get(m[2]);
    if (!job) throw new Problem(404, 'not_found', '没有这个作业');
    if (m[4] === 'cancel') job.state = 'cancelled';
    return json(200, job);
  }
  const csv = /^\/jobs\/([^/]+)\/report\.csv$/.exec(path);
  if (csv) return { content: `line,code,where,detail\n${(jobs.get(csv[1])?.result.rows ?? []).filter((r) => r.status === 'failed').flatMap((r) => r.errors.map((e) => [r.line, r.code, e.where, e.detail].join())).join('\n')}\n`, type: 'text/csv' };
  const k = m && kindOf(m[1]);
  if (!k) return undefined;
  const one = m[2] && decodeURIComponent(m[2]);
  if (one && m[3] === 'transitions') { const r = need(k.kind, one).now; return json(200, { state: r.state, items: transitionsOf(k, r) }); }
  if (one && m[3] === 'where-used') { const rows = whereUsed(k, need(k.kind, one).now); return json(200, { items: rows.slice(0, 50), total: rows.length }); }
  if (one && m[3] === 'attachments') {
    const r = need(k.kind, one).now;
    if (method === 'GET') return json(200, { items: [...attachments.values()].filter((a) => a.of === r.id).map(({ data: _d, of: _o, ...a }) => a) });
    const b = body();
    const u = uploads.get(b.upload);
    if (!u) throw new Problem(400, 'invalid', '上传的文件已过期');
    const a = { ...u, of: r.id, by, at: new Date().toISOString(), field: b.field ?? '' };
    attachments.set(a.id, a);
    return json(201, { ...a, data: undefined });
  }
  if (m[4] === 'transition') {
    const b = body();
    const x = transitionsOf(k, need(k.kind, one).now).find((y) => y.name === b.transition);
    if (!x?.allowed) throw new Problem(409, 'conflict', x?.why_not || '当前状态不能执行');
    if (x.comment === 'required' && !b.comment) throw new Problem(400, 'invalid', '请填写意见', [{ where: 'comment', detail: '必填' }]);
    return json(200, setState(k.kind, one, x.to, by, { transition: b.transition, comment: b.comment }));
  }
  if (m[4] === 'restore') return json(200, restore(k.kind, one, by));
  if (m[4] === 'copy') return json(201, copy(k.kind, one, body(), by));
  if (m[4] === 'drop') { removeKind(need('user_kind', one).now.code); return json(200, null); }
  if (m[4] === 'preview' && k.kind === 'code_rule') return json(200, { codes: Array.from({ length: body().count ?? 5 }, (_, i) => `SP-2026-${String(i + 1).padStart(5, '0')}`) });
  if (m[4] === 'import-preview') {
    const b = body();
    const u = uploads.get(b.upload);
    if (!u) throw new Problem(400, 'invalid', '上传的文件已过期');
    const rows = rowsOfText(u.data.toString('utf8'));
    const head = b.header_row ?? 1;
    const norm = (s) => s.trim().toLowerCase();
    return json(200, { format: 'csv', sheets: [], sheet: '', header_row: head, rows: rows.length - head, fields: targets(k).map(({ f: _f, ...x }) => x),
      columns: (rows[head - 1] ?? []).map((title, index) => ({ index, title, samples: rows.slice(head, head + 5).map((r) => r[index] ?? ''), field: targets(k).find((x) => [x.path, x.path.replace('spec.', ''), x.title].some((n) => norm(n) === norm(title)))?.path ?? null })) });
  }
  if (m[4] === 'import-run') return json(202, { job: runImport(k, body(), bulk).id });
  if (m[4] === 'template') return { content: `\ufeff${targets(k).map((x) => x.title).join(',')}\r\n`, type: 'text/csv' };
  if (method === 'GET' && !one && !m[4] && q.get('deleted') === '1') { const rows = bin(k.kind); return json(200, { items: rows.slice(0, 50), total: rows.length, page: 1, size: 50, next: null }); }
  if (k.kind === 'user_kind' && ['POST', 'PATCH', 'PUT'].includes(method) && !m[4]) {
    const r = one ? patch('user_kind', one, body(), undefined, by).r : create('user_kind', body(), by);
    addKind({ ...r.spec.document, module: 'user', user: true });
    return json(one ? 200 : 201, r);
  }
  return undefined;
}
