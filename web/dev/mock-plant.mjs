// The plant of the mock: three areas, about 3,600 points behind 12 devices on 4 channels, values that move
// as pure functions of time, so that history and live values agree and need no storage.
import { all, create, kindOf } from './mock-store.mjs';

const sites = [
  ['LT', '龙潭铜矿', [['PIT', '采场', 24], ['CRU', '破碎', 6], ['GRD', '磨矿', 8], ['FLT', '浮选', 20], ['TSF', '尾矿库', 6]]],
  ['SM', '冶炼厂', [['FSF', '闪速炉', 12], ['CNV', '转炉', 8], ['ANO', '阳极炉', 6], ['ACD', '制酸', 14], ['ERF', '电解', 24]]],
  ['RM', '铜加工厂', [['CST', '熔铸', 10], ['HRM', '热轧', 8], ['CRM', '冷轧', 10], ['ROD', '连铸连轧', 8]]],
];
const kindsOf = [
  ['TI', '温度', 'Cel', 20, 240, 'temperature'], ['PI', '压力', 'kPa', 80, 620, 'pressure'], ['FI', '流量', 'm3/h', 0, 800, 'flow'],
  ['LI', '液位', '%', 0, 100, 'level'], ['II', '电流', 'A', 0, 900, 'current'], ['JI', '功率', 'kW', 0, 5200, 'power'],
  ['VI', '振动', 'mm/s', 0, 11, 'vibration'], ['SI', '转速', 'r/min', 0, 1480, 'speed'], ['AI', '浓度', '%', 20, 70, 'concentration'],
  ['RUN', '运行', '', 0, 1, 'running'], ['SP', '设定值', '%', 0, 100, 'set-point'], ['DP', '差压', 'Pa', 0, 400, 'differential pressure'],
];

function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return (h >>> 0) / 4294967296;
}
const noise = (seed, n) => {
  const x = Math.sin(seed * 12.9898 + n * 78.233) * 43758.5453;
  return x - Math.floor(x);
};

export const dyn = new Map(); // num -> {code, lo, hi, seed, step, sp}
const written = new Map();

export function seed() {
  const channel = (code, name, driver = 'modbus_tcp') => create('channel', { code, name, spec: { driver, enabled: true, options: { host: '127.0.0.1', port: 1502 } } });
  const channels = { LT: channel('LT-MB1', '选厂 Modbus 网关'), SM: channel('SM-MB1', '冶炼 DCS 网关'), RM: channel('RM-MB1', '加工厂 PLC'), X: channel('LAB-MB1', '化验室分析仪') };
  for (const [code, name, keep] of [['process', '过程数据', '3650d'], ['fast', '快速数据', '90d']]) create('archive_class', { code, name, spec: { keep } });
  for (const [site, siteName, units] of sites) {
    for (const [unit, unitName, count] of units) {
      const device = create('device', { code: `${site}-${unit}-PLC`, name: `${siteName}${unitName} PLC`, spec: { channel: channels[site].id, area: `${site}/${unit}`, enabled: true, options: { unit: 1 } } });
      for (let e = 1; e <= count; e++) {
        const equip = `${unit}${String(e).padStart(2, '0')}`;
        kindsOf.forEach(([suffix, zh, uom, lo, hi, en], i) => {
          for (let copy = 0; copy < (i < 6 ? 2 : 1); copy++) {
            const code = `${site}.${unit}.${equip}.${suffix}${copy ? copy + 1 : ''}`;
            const step = suffix === 'RUN' || suffix === 'SP';
            const r = create('point', { code, name: `${unitName}${e}号${zh}${copy ? '（备用）' : ''}`, spec: {
              device: device.id, address: `1!${suffix === 'RUN' ? 1 : 400001 + dyn.size * 2}`, type: suffix === 'RUN' ? 'bool' : 'float', unit: uom, lo, hi, period: '1s',
              area: `${site}/${unit}/${equip}`, name_en: `${unit} ${e} ${en}${copy ? ' (spare)' : ''}`, step, writable: suffix === 'SP', write_lo: suffix === 'SP' ? 0 : undefined, write_hi: suffix === 'SP' ? 100 : undefined,
              decimals: suffix === 'RUN' ? 0 : hi > 1000 ? 0 : 1, key: e === 1 && ['TI', 'FI', 'JI'].includes(suffix) && copy === 0, l: lo + (hi - lo) * 0.1, h: lo + (hi - lo) * 0.9,
            } });
            dyn.set(r.num, { code, lo, hi, seed: hash(code) * 1000, step, bool: suffix === 'RUN', sp: suffix === 'SP' });
          }
        });
      }
    }
  }
  for (let i = dyn.size; i < Number(process.env.MOCK_POINTS ?? 0); i++) {
    const code = `ZZ.${String(Math.floor(i / 1000)).padStart(3, '0')}.P${String(i).padStart(6, '0')}`;
    const r = create('point', { code, name: `大量测点 ${i}`, spec: { unit: 't/h', lo: 0, hi: 100, type: 'float', area: `ZZ/${String(Math.floor(i / 1000)).padStart(3, '0')}`, decimals: 1 } });
    dyn.set(r.num, { code, lo: 0, hi: 100, seed: hash(code) * 1000, step: false });
  }
  create('role', { code: 'admin', name: 'Administrator', spec: { name_zh: '管理员', permissions: [{ kinds: ['*'], actions: ['read', 'write', 'delete', 'control', 'admin'] }] } });
  create('role', { code: 'operator', name: 'Operator', spec: { name_zh: '操作员', description: '查看与操作', permissions: [{ kinds: ['*'], actions: ['read'] }, { kinds: ['point'], actions: ['control'] }] } });
  const admin = all('role').find((r) => r.code === 'admin');
  create('user', { code: 'admin', name: '管理员', spec: { display_name: '管理员', roles: [admin.id] } });
  for (const [code, name, parent, type] of [['LT', '龙铜集团', '', 'group'], ['LT-MINE', '龙潭铜矿', 'LT', 'plant'], ['LT-CON', '选矿车间', 'LT-MINE', 'workshop'], ['LT-SM', '冶炼厂', 'LT', 'plant'], ['LT-ERF', '电解车间', 'LT-SM', 'workshop']]) {
    create('org', { code, name, spec: { type, parent: all('org').find((o) => o.code === parent)?.id } });
  }
  const words = ['轴承', '联轴器', '密封圈', '变频器', '热电偶', '压力变送器', '滤布', '衬板'];
  for (let i = 1; i <= 120; i++) {
    create('spare_part', { code: `SP-${String(i).padStart(5, '0')}`, name: `${words[i % words.length]} ${i}`, org: all('org')[i % 5].id, labels: { shelf: `A${i % 9}` }, spec: {
      category: ['mechanical', 'electrical', 'instrument'][i % 3], model: `M-${1000 + i}`, quantity: (i * 37) % 90, price: Math.round(noise(i, 3) * 90000) / 10, supplier: i % 4 ? '洛阳轴研' : undefined, size: { length: i * 3, width: i } } });
  }
  create('code_rule', { code: 'spare', name: '备件编码', spec: { kind: 'spare_part', pattern: 'SP-{yyyy}-{n:5}{check}', check: 'luhn' } });
  create('user_kind', { code: 'spare_part', name: '备件', spec: { document: kindOf('spare_part') } });
  const pens = ['LT.GRD.GRD01.TI', 'LT.GRD.GRD01.JI', 'LT.GRD.GRD01.RUN'].map((point) => ({ point }));
  if (kindOf('trend')) create('trend', { code: 'grinding', name: '磨矿一号机', spec: { from: '*-1h', to: '*', live: true, axes: 'own', pens } });
}

export function valueAt(num, ms) {
  const d = dyn.get(num);
  if (!d) return { v: null, q: 2, r: 12 };
  const s = ms / 1000;
  if (d.sp) return { v: written.get(num) ?? Math.round(40 + 20 * noise(d.seed, 1)), q: 0, r: 0 };
  const slot = Math.floor(s / 600);
  const fault = noise(d.seed, slot);
  if (fault < 0.004) return { v: null, q: 2, r: 1 };
  if (d.bool) return { v: noise(d.seed, Math.floor(s / 900)) > 0.08 ? 1 : 0, q: 0, r: 0 };
  const mid = 0.35 + 0.4 * noise(d.seed, 2);
  const x = mid + 0.12 * Math.sin(s / (900 + d.seed) + d.seed) + 0.04 * Math.sin(s / 47 + d.seed) + 0.015 * (noise(d.seed, Math.floor(s)) - 0.5);
  return { v: d.lo + (d.hi - d.lo) * x, q: fault < 0.01 ? 1 : 0, r: fault < 0.01 ? 5 : 0 };
}

export function write(num, value) {
  const before = valueAt(num, Date.now()).v;
  written.set(num, value);
  return before;
}

export const areaName = (path) => {
  const parts = path.split('/');
  const site = sites.find((s) => s[0] === parts[0]);
  if (parts.length === 1) return site?.[1] ?? path;
  const unit = site?.[2].find((u) => u[0] === parts[1]);
  return parts.length === 2 ? (unit?.[1] ?? path) : parts.at(-1);
};
