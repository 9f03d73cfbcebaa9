/* Choosing a protocol: by name or by what it is for. */
import { Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { textOf } from '@/lib/resources';
import type { Driver } from '@/lib/types';

type Protocol = Pick<Driver, 'name' | 'title' | 'help'>;

interface Props {
  groups: { label: string; items: Protocol[] }[];
  disabled?: boolean;
  onPick: (name: string) => void;
  value?: string;       /* these three by the form */
  onChange?: (name: string) => void;
  id?: string;
}

export function ProtocolSelect({ groups, disabled, onPick, value, onChange, id }: Props) {
  const { t, i18n } = useTranslation();
  const option = (p: Protocol) => ({ value: p.name, label: textOf(p.title, i18n.language, p.name), help: textOf(p.help, i18n.language), words: [p.name, p.title?.en, p.title?.zh, p.help?.en, p.help?.zh].join(' ').toLowerCase() });
  const filled = groups.filter((g) => g.items.length > 0);
  const options = filled.length === 1 && !filled[0].label ? filled[0].items.map(option) : filled.map((g) => ({ label: g.label, options: g.items.map(option) }));
  return (
    <Select<string> id={id} value={value || undefined} disabled={disabled} placeholder={t('connections.form.protocolAsk')} listHeight={440} options={options as never}
      showSearch={{ filterOption: (q, o) => ((o as { words?: string } | undefined)?.words ?? '').includes(q.trim().toLowerCase()) }}
      optionRender={(o) => <span className="protocol-option"><b>{o.label}</b><span className="soft small">{(o.data as { help?: string }).help}</span></span>}
      onChange={(v) => { onChange?.(v); onPick(v); }} />
  );
}
