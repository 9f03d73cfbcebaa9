import { Input, Space } from 'antd';
import type { LText } from '@/lib/types';

/* A text in both languages; the one that is missing follows the other when it is stored. */
export function BiText({ value, onChange, label, multiline }: { value?: LText; onChange: (v: LText) => void; label: string; multiline?: boolean }) {
  const put = (lang: 'zh' | 'en', text: string) => onChange({ zh: value?.zh ?? '', en: value?.en ?? '', [lang]: text });
  const Field = multiline ? Input.TextArea : Input;
  return (
    <Space.Compact className="bi-text">
      <Field value={value?.zh} placeholder="中文" aria-label={`${label} 中文`} onChange={(e) => put('zh', e.target.value)} />
      <Field value={value?.en} placeholder="English" aria-label={`${label} English`} onChange={(e) => put('en', e.target.value)} />
    </Space.Compact>
  );
}
