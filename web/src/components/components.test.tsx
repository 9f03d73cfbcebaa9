import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, cleanup, configure, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { Form, type FormInstance } from 'antd';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { diffOf } from './DiffTable';
import { LiveQuality, LiveValue } from './LiveValue';
import { QualityBadge } from './QualityBadge';
import { fromForm, knownPath, pathOfWhere, shown, toForm } from './schema/convert';
import { faultOf } from './schema/rules';
import { KindFields } from './schema/SchemaForm';
import { sparkPath } from './Sparkline';
import { spanText } from './TimeRange';
import i18n from 'i18next';
import { visibleRange, VirtualGrid } from './VirtualGrid';
import { netFrame, useNet } from '@/lib/net';
import { labelOf, nameOf } from '@/lib/names';
import { putTags } from '@/lib/tagStore';
import type { FieldDoc, KindDoc, Spec } from '@/lib/types';

configure({ asyncUtilTimeout: 15000 }); /* a busy machine is no fault */
afterEach(cleanup);

const t = (key: string) => key;
const fields: FieldDoc[] = [
  { name: 'period', type: 'duration', default: '1s', min: '50ms', max: '1d' },
  { name: 'lo', type: 'number' },
  { name: 'writable', type: 'boolean', default: false },
  { name: 'write_lo', type: 'number', show_if: { field: 'writable', in: [true] }, title: { en: 'Write from', zh: '写入下限' } },
  { name: 'password', type: 'secret' },
  { name: 'options', type: 'object', fields: [{ name: 'host', type: 'string', required: true, title: { en: 'Host', zh: '主机' } }, { name: 'port', type: 'integer', default: 502 }] },
  { name: 'extra', type: 'json' },
  { name: 'pens', type: 'array', items: { type: 'object', fields: [{ name: 'point', type: 'string' }] } },
];

describe('specs and forms', () => {
  it('fill defaults when creating only', () => {
    expect(toForm(fields, {}, true)).toEqual({ period: '1s', writable: false, options: { port: 502 } });
    expect(toForm(fields, { lo: 3 }, false)).toEqual({ lo: 3, options: {} });
  });
  it('leave empty members out when creating, clear them when changing, and keep secrets', () => {
    const values: Spec = { period: '5s', lo: null, password: '', options: { host: 'a' }, extra: '{"x":1}', pens: [{ point: 'P' }, {}] };
    expect(fromForm(fields, values, false)).toEqual({ period: '5s', options: { host: 'a' }, extra: { x: 1 }, pens: [{ point: 'P' }] });
    expect(fromForm(fields, values, true)).toMatchObject({ lo: null, writable: null, options: { host: 'a', port: null } });
    expect(fromForm(fields, values, true)).not.toHaveProperty('password');
    expect(fromForm(fields, { ...values, password: 's' }, true).password).toBe('s');
  });
  it('edit what fits no editor as JSON', () => {
    const odd: FieldDoc[] = [{ name: 'grid', type: 'array', items: { type: 'array' } }, { name: 'any', type: 'object' }];
    const form = toForm(odd, { grid: [[1, 2]], any: { x: 1 } }, false);
    expect(typeof form.grid).toBe('string');
    expect(fromForm(odd, form, true)).toEqual({ grid: [[1, 2]], any: { x: 1 } });
  });
  it('find the field of a fault', () => {
    expect(pathOfWhere('spec.pens[2].point')).toEqual(['spec', 'pens', 2, 'point']);
    expect(knownPath(pathOfWhere('spec.options.host'), fields)).toBe(true);
    expect(knownPath(pathOfWhere('spec.nothing'), fields)).toBe(false);
    expect(knownPath(pathOfWhere('code'), fields)).toBe(true);
  });
  it('hide what does not apply', () => {
    expect(shown(fields[3], { writable: true })).toBe(true);
    expect(shown(fields[3], { writable: false })).toBe(false);
  });
  it('check while typing', () => {
    const period = fields[0];
    expect(['5s', '10ms', '2d', 'soon', ''].map((v) => faultOf(period, v, t))).toEqual([null, 'form.min', 'form.max', 'form.duration', null]);
    expect(faultOf({ name: 'x', type: 'string', pattern: '[a-z]+' }, 'A', t)).toBe('form.pattern');
    expect(faultOf({ name: 'x', type: 'integer', min: 1, max: 9 }, 10, t)).toBe('form.max');
    expect(faultOf({ name: 'x', type: 'json' }, '{', t)).toBe('form.json');
  });
});

describe('a form from a kind', () => {
  it('shows groups, nested fields and what show_if allows, and gives the values', async () => {
    const kind: KindDoc = { kind: 'x', plural: 'xs', title: { en: 'X', zh: '甲' }, fields, form: { groups: [{ title: { en: 'Write', zh: '写' }, fields: ['writable', 'write_lo'] }] } };
    let form: FormInstance | undefined;
    function Probe() {
      const [f] = Form.useForm();
      form = f;
      return <Form form={f} initialValues={{ spec: toForm(fields, {}, true) }}><KindFields kind={kind} creating /></Form>;
    }
    render(<QueryClientProvider client={new QueryClient()}><Probe /></QueryClientProvider>);
    expect(screen.getByText('写')).toBeTruthy();
    expect(screen.queryByText('写入下限')).toBeNull();
    act(() => form?.setFieldValue(['spec', 'writable'], true));
    await waitFor(() => expect(screen.getByText('写入下限')).toBeTruthy());
    const host = screen.getByLabelText('主机');
    fireEvent.change(host, { target: { value: '10.0.0.1' } });
    expect(fromForm(fields, form?.getFieldsValue(true).spec as Spec, false)).toMatchObject({ options: { host: '10.0.0.1', port: 502 }, writable: true });
    fireEvent.change(host, { target: { value: '' } });
    await waitFor(() => expect(screen.getByText('必填')).toBeTruthy());
  });
});

describe('the grid', () => {
  it('holds only what is in view', () => {
    expect(visibleRange(0, 320, 100000)).toEqual([0, 16]);
    expect(visibleRange(3199 * 32, 320, 100000)).toEqual([3193, 3215]);
    expect(visibleRange(0, 320, 3)).toEqual([0, 2]);
  });
  it('selects by keyboard', () => {
    const onSelect = vi.fn();
    const onOpen = vi.fn();
    const rowAt = (i: number) => ({ id: `r${i}` });
    render(<VirtualGrid label="g" columns={[{ key: 'id', title: 'ID', width: '1fr', render: (r: { id: string }) => r.id }]} total={100000} rowAt={rowAt} rowKey={(r) => r.id} onRange={() => {}} selected={new Map()} onSelect={onSelect} onOpen={onOpen} />);
    const grid = screen.getByRole('grid');
    expect(screen.getAllByRole('row').length).toBeLessThan(60);
    expect(grid.getAttribute('aria-rowcount')).toBe('100001');
    fireEvent.keyDown(grid, { key: 'ArrowDown' });
    fireEvent.keyDown(grid, { key: 'ArrowDown' });
    fireEvent.keyDown(grid, { key: ' ' });
    expect([...onSelect.mock.calls[0][0].keys()]).toEqual(['r1']);
    fireEvent.keyDown(grid, { key: 'Enter' });
    expect(onOpen).toHaveBeenCalledWith({ id: 'r1' });
  });
});

describe('small things', () => {
  it('quality is said in words', () => {
    render(<><QualityBadge q={0} /><QualityBadge q={2} r={1} /></>);
    expect(screen.getByText('良好')).toBeTruthy();
    expect(screen.getByText('通讯故障')).toBeTruthy();
  });
  it('live values look stale until the next frame after the stream is lost', () => {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
    onTestFinished(() => { vi.useRealTimers(); });
    putTags([[77, { t: Date.now() - 65000, v: 3, q: 0, r: 0 }]]);
    const { container } = render(<><LiveValue num={77} /><LiveQuality num={77} /></>);
    expect(screen.getByText('良好')).toBeTruthy();
    act(() => useNet.setState({ streamLost: true }));
    expect(screen.queryByText('良好')).toBeNull();
    expect(screen.getByText('数据陈旧')).toBeTruthy();
    expect(screen.getByText('1m 5s')).toBeTruthy();
    act(() => { vi.advanceTimersByTime(2000); });
    expect(screen.getByText('1m 7s')).toBeTruthy();
    expect(container.querySelector('.live.stale')).toBeTruthy();
    act(() => netFrame(Date.now()));
    expect(screen.getByText('良好')).toBeTruthy();
    expect(container.querySelector('.live.stale')).toBeNull();
  });
  it('sparklines break where there is no value and step where asked', () => {
    expect(sparkPath([0, 1, 2, 3], [0, null, 1, 1], undefined, false).match(/M/g)).toHaveLength(2);
    expect(sparkPath([0, 1, 2], [0, 1, 1], [0, 2, 0], false).match(/M/g)).toHaveLength(2);
    expect(sparkPath([0, 10], [0, 1], undefined, true)).toBe('M0.0 26.0L200.0 26.0L200.0 2.0');
    expect(sparkPath([], [], undefined, false)).toBe('');
  });
  it('spans of time and names are in the language of the page', () => {
    const zh = i18n.getFixedT('zh');
    const en = i18n.getFixedT('en');
    expect(['5m', '1800s', '7d', '24h', '1h30m'].map((s) => spanText(s, zh))).toEqual(['5 分钟', '30 分钟', '7 天', '24 小时', '90 分钟']);
    expect([spanText('8h', zh), spanText('5m', en), spanText('soon', zh)]).toEqual(['8 小时', '5 min', 'soon']);
    const role = { id: 'i', code: 'viewer', name: 'Viewer', spec: { name_zh: '浏览者' } };
    expect([nameOf(role, 'zh'), nameOf(role, 'en'), nameOf({ ...role, spec: {} }, 'zh'), zh('role.viewer')]).toEqual(['浏览者', 'Viewer', 'Viewer', '浏览者']);
    expect([labelOf(role), labelOf({ ...role, code: 'i' }), labelOf({ id: 'i', code: 'i', name: '' })]).toEqual(['viewer', 'Viewer', 'i']);
  });
  it('differences are paths', () => {
    expect(diffOf({ a: 1, b: { c: [1], d: 2 } }, { a: 1, b: { c: [2], d: 2 }, e: 3 })).toEqual([{ path: 'b.c', before: [1], after: [2] }, { path: 'e', before: undefined, after: 3 }]);
  });
});
