/* Which points go out: all, an area, a filter of one's own, or only what is mapped by hand. */
import { Input, Segmented } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { AreaInput } from '@/components/AreaInput';
import type { InputProps } from '@/components/schema/inputs';
import { choiceOf, filterOf, type Choice } from './choice';

type Mode = Choice['mode'];
const MODES: Mode[] = ['all', 'area', 'own', 'mapped'];

export function PointsChoice({ value, onChange, id, disabled }: InputProps) {
  const { t } = useTranslation();
  const said = choiceOf(value as string | undefined);
  const [picked, setPicked] = useState<Mode | null>(null);      /* area and own begin empty, as "mapped" does */
  const mode: Mode = picked && (said.mode === 'mapped' || said.mode === picked || picked === 'own') ? picked : said.mode;
  const pick = (next: Mode) => {
    setPicked(next);
    if (next === 'own') onChange?.(value === '*' ? '' : value);
    else onChange?.(next === 'area' ? '' : filterOf({ mode: next }));
  };
  return (
    <div className="col points-choice">
      <Segmented<Mode> value={mode} disabled={disabled} onChange={pick} options={MODES.map((m) => ({ value: m, label: t(`forward.choice.${m}`) }))} />
      {mode === 'area' && <AreaInput id={id} value={said.mode === 'area' ? said.area : ''} onChange={(area) => onChange?.(area ? filterOf({ mode: 'area', area }) : '')} />}
      {mode === 'own' && <Input id={id} disabled={disabled} className="mono" value={(value as string) ?? ''} placeholder="area~'LT' and unit='t/h'" onChange={(e) => onChange?.(e.target.value)} />}
    </div>
  );
}
