/* Beside a code rule: the codes that what is typed would give, those that come next in fact, and a check. */
import { Button, Input } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useQuery } from '@tanstack/react-query';
import { asError, post, seg, type ApiError } from '@/lib/api';
import type { Resource } from '@/lib/types';
import type { Values } from '../form/formModel';
import { faultOf, nextCodes, type Rule } from './codeRule';

function CheckCode({ id }: { id: string }) {
  const { t } = useTranslation();
  const [code, setCode] = useState('');
  const [said, setSaid] = useState<{ ok: boolean; why?: string } | null>(null);
  const run = async () => {
    try {
      setSaid(await post<{ ok: boolean; why?: string }>(`/code-rules/${seg(id)}:check`, { code: code.trim() }));
    } catch (e) {
      setSaid({ ok: false, why: asError(e).message });
    }
  };
  return (
    <div className="col">
      <b>{t('rule.check')}</b>
      <div className="row"><Input className="mono" value={code} onChange={(e) => { setCode(e.target.value); setSaid(null); }} onPressEnter={() => void run()} aria-label={t('rule.check')} /><Button disabled={!code.trim()} onClick={() => void run()}>{t('rule.checkRun')}</Button></div>
      {said && <span className={`quality ${said.ok ? 'good' : 'bad'}`}>{said.ok ? t('rule.fits') : said.why || t('rule.fitsNot')}</span>}
    </div>
  );
}

export function RulePreview({ resource, values }: { resource?: Resource; values?: Values }) {
  const { t } = useTranslation();
  const rule = { ...resource?.spec, ...Object.fromEntries(Object.entries(values?.spec ?? {}).filter(([, v]) => v !== undefined && v !== null)) } as Rule;
  const fault = rule.pattern ? faultOf(rule.pattern) : '';
  const stored = useQuery<{ codes: string[] }, ApiError>({
    queryKey: [`/code-rules/${resource?.id}`, 'preview', resource?.rev],
    queryFn: () => post<{ codes: string[] }>(`/code-rules/${seg(resource?.id ?? '')}:preview`, { count: 5 }),
    enabled: Boolean(resource), retry: false,
  });
  const [today] = useState(() => new Date());
  const typed = nextCodes(rule, 5, 'ORG', today);
  return (
    <div className="panel panel-pad col">
      <b>{t('rule.looks')}</b>
      {fault ? <span className="quality bad">{t(`rule.fault.${fault}`)}</span>
        : typed.length > 0 ? <ol className="rule-codes mono">{typed.map((c, i) => <li key={i}>{c}</li>)}</ol> : <span className="muted">{t('rule.none')}</span>}
      <span className="soft small">{t('rule.parts')}</span>
      {stored.data && <><b>{t('rule.next')}</b><ol className="rule-codes mono">{stored.data.codes.map((c) => <li key={c}>{c}</li>)}</ol></>}
      {resource && <CheckCode id={resource.id} />}
    </div>
  );
}
