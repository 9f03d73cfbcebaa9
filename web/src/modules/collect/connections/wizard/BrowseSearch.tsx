/* Searching a device for a word: portions come one after the other until it is stopped or nothing is left; finds are
 * ticked like leaves of the tree. */
import { Alert, Button, Checkbox, Spin } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/states';
import { asError } from '@/lib/api';
import { formatCount } from '@/lib/units';
import { findOf, type AskSearch, type Found, type Pick } from './browse';
import { BrowseTitle } from './BrowseTitle';

const SHOWN = 2000;     /* finds; more are narrowed by another word */

interface State { finds: Found['items']; last: Found | null; busy: boolean; error: unknown }

function useSearch(ask: AskSearch, q: string) {
  const [state, setState] = useState<State>({ finds: [], last: null, busy: true, error: null });
  const abort = useRef<AbortController | null>(null);
  const run = async (from: Found['items'], cursor: string | null) => {
    const control = new AbortController();
    abort.current = control;
    let finds = from, next = cursor, last: Found | null = null;
    setState((s) => ({ ...s, busy: true, error: null }));
    try {
      do {
        last = await ask(q, next, control.signal);
        if (control.signal.aborted) return;
        finds = [...finds, ...last.items];
        next = last.next;
        const on = next !== null && finds.length < SHOWN;
        setState({ finds, last, busy: on, error: null });
        if (!on) return;
      } while (next !== null);
    } catch (error) {
      if (!control.signal.aborted) setState((s) => ({ ...s, busy: false, error }));
    }
  };
  useEffect(() => {
    void run([], null);
    return () => abort.current?.abort();
  }, [q]); // eslint-disable-line react/exhaustive-deps
  /* Stopped between two portions the search can go on; inside one its place is lost. */
  const stop = () => { abort.current?.abort(); setState((s) => ({ ...s, busy: false, last: s.last && { ...s.last, next: null } })); };
  return { ...state, stop, more: () => void run(state.finds, state.last?.next ?? null), again: () => void run([], null) };
}

export function BrowseSearch({ ask, q, picked, onPick }: { ask: AskSearch; q: string; picked: Map<string, Pick>; onPick: (change: [string, Pick | null][]) => void }) {
  const { t } = useTranslation();
  const s = useSearch(ask, q);
  const rows = s.finds.map(findOf);
  const points = rows.filter((r) => r.pick.item.address !== null);
  const all = points.length > 0 && points.every((r) => picked.has(r.key));
  const some = points.some((r) => picked.has(r.key));
  const told = s.last;
  return (
    <div className="col browse-search">
      <div className="row wrap small" role="status">
        {s.busy && <Spin size="small" />}
        <span>{t('connections.browse.found', { n: formatCount(rows.length), looked: formatCount(told?.looked ?? 0) })}</span>
        {s.busy && (told?.waiting ?? 0) > 0 && <span className="muted">{t('connections.browse.waiting', { n: formatCount(told?.waiting ?? 0) })}</span>}
        <span className="grow" />
        {s.busy ? <Button size="small" onClick={s.stop}>{t('connections.capture.stop')}</Button> : told?.next ? <Button size="small" onClick={s.more}>{t('connections.browse.goOn')}</Button> : <Button size="small" type="text" onClick={s.again}>{t('connections.browse.again')}</Button>}
      </div>
      {s.error ? <Alert type="error" showIcon title={asError(s.error).message} /> : null}
      {!s.busy && told?.truncated && <Alert type="info" showIcon title={t(told.next ? 'connections.browse.truncated' : 'connections.browse.cut')} />}
      {told !== null && told.failed > 0 && <div className="small bad-text">{t('connections.browse.failed', { n: told.failed })}</div>}
      {rows.length === 0 ? !s.busy && !s.error && <EmptyState title={t('connections.browse.noMatch')} help={t('connections.browse.noMatchHelp')} /> : (
        <>
          <Checkbox checked={all} indeterminate={some && !all} onChange={() => onPick(points.map((r) => [r.key, all ? null : r.pick]))}>{t('connections.browse.all', { n: formatCount(points.length) })}</Checkbox>
          <div className="browse-finds" role="group" aria-label={t('connections.browse.results')}>
            {rows.map((r) => (
              <label key={r.key} className="browse-find">
                <Checkbox disabled={r.pick.item.address === null} checked={picked.has(r.key)} onChange={(e) => onPick([[r.key, e.target.checked ? r.pick : null]])} />
                <span className="browse-find-text"><BrowseTitle item={r.pick.item} />{r.pick.path.length > 1 && <span className="muted small browse-path">{r.pick.path.slice(0, -1).join(' › ')}</span>}</span>
              </label>
            ))}
          </div>
        </>
      )}
    </div>
  );
}
