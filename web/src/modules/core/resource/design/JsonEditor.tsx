/* The document as text, in both directions. */
import { Input } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { fromJson, toDocument, type Design } from './model';

export function JsonEditor({ design, onChange }: { design: Design; onChange: (d: Design) => void }) {
  const { t } = useTranslation();
  const written = JSON.stringify(toDocument(design), null, 2);
  const [draft, setDraft] = useState<string | null>(null);
  const read = draft === null ? null : fromJson(draft, design);
  const fault = read && 'fault' in read ? read.fault : '';
  const put = (text: string) => {
    setDraft(text);
    const next = fromJson(text, design);
    if ('design' in next) onChange(next.design);
  };
  return (
    <div className="col">
      <Input.TextArea className="mono" rows={26} spellCheck={false} value={draft ?? written} status={fault ? 'error' : undefined} aria-label="JSON" onChange={(e) => put(e.target.value)} onBlur={() => !fault && setDraft(null)} />
      {fault && <span className="quality bad" role="alert">{fault === 'fields' ? t('design.fault.document') : fault}</span>}
    </div>
  );
}
