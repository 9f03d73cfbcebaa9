/* What a change of a kind does to what is stored, before it is made. */
import { Alert, Checkbox, Modal, Table } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { plain } from '@/components/DiffTable';
import { textOf } from '@/lib/resources';
import { formatCount } from '@/lib/units';
import type { KindPlan, PlanChange } from '@/lib/pending';

interface Props {
  plan: KindPlan;
  busy: boolean;
  onRun: (drop: boolean) => void;
  onClose: () => void;
}

export function PlanDialog({ plan, busy, onRun, onClose }: Props) {
  const { t, i18n } = useTranslation();
  const [drop, setDrop] = useState(false);
  const blocks = plan.blocks || plan.changes.some((c) => c.blocks);
  const loses = plan.loses || plan.changes.some((c) => c.lost > 0);
  return (
    <Modal open width={860} title={t('design.planTitle')} okText={t('action.save')} cancelText={t('action.cancel')} onCancel={onClose} confirmLoading={busy}
      okButtonProps={{ danger: loses, disabled: blocks || (loses && !drop) }} onOk={() => onRun(drop)}>
      <div className="col">
        <Alert type={loses || blocks ? 'error' : 'info'} showIcon title={blocks ? t('design.planBlocks') : loses ? t('design.planLoses') : t('design.planKeeps', { n: formatCount(plan.rows) })} />
        {plan.changes.length === 0 ? <span className="soft">{t('design.planNothing')}</span> : (
          <Table<PlanChange> size="small" rowKey={(c) => c.path + textOf(c.what, 'en')} pagination={false} scroll={{ y: 320, x: 640 }} dataSource={plan.changes} columns={[
            { title: t('history.path'), dataIndex: 'path', width: 150, render: (v: string) => <span className="mono">{v}</span> },
            { title: t('design.what'), width: 200, render: (_v, c) => textOf(c.what, i18n.language) },
            { title: t('design.affected'), dataIndex: 'affected', width: 90, align: 'right', render: (n: number) => formatCount(n) },
            { title: t('design.lost'), dataIndex: 'lost', width: 90, align: 'right', render: (n: number) => <span className={n > 0 ? 'quality bad' : ''}>{formatCount(n)}</span> },
            { title: t('design.examples'), render: (_v, c) => (c.examples ?? []).slice(0, 3).map((x, i) => <div key={i}><span className="mono">{x.code}</span>: <del>{plain(x.before)}</del> → {plain(x.after) || '—'}</div>) },
          ]} />
        )}
        {loses && !blocks && <Checkbox checked={drop} onChange={(e) => setDrop(e.target.checked)}>{t('design.drop')}</Checkbox>}
      </div>
    </Modal>
  );
}
