/* The options of a driver's table inside a form: the first ones open, the others behind "more". */
import { Collapse } from 'antd';
import { useTranslation } from 'react-i18next';
import { SchemaFields } from '@/components/schema/SchemaForm';
import type { FieldDoc } from '@/lib/types';
import { splitFields } from './options';

export function OptionFields({ fields, creating }: { fields: FieldDoc[]; creating: boolean }) {
  const { t } = useTranslation();
  const { main, more } = splitFields(fields);
  return (
    <>
      <SchemaFields fields={main} prefix={['options']} creating={creating} />
      {more.length > 0 && (
        <Collapse ghost size="small" items={[{ key: 'more', label: t('connections.form.more', { n: more.length }), forceRender: true, children: <SchemaFields fields={more} prefix={['options']} creating={creating} /> }]} />
      )}
    </>
  );
}
