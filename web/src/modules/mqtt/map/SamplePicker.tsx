/* The message that a mapping is made by: one of the last of the mapping's topic, or a text that is pasted. */
import { Button, Input, Radio, Select, type FormInstance } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSearchParams } from 'react-router';
import { RelativeTime } from '@/components/RelativeTime';
import type { MqttRecentAnswer } from '@/lib/pending';
import { useApi } from '@/lib/resources';
import { useDebounced } from '@/lib/useDebounced';
import { guessForm } from './nodes';

type Topic = MqttRecentAnswer['items'][number];
type Message = Topic['messages'][number];
export interface Sample {
  topic: string;
  topics: Topic[];
  message?: Message;
  pick: (topic: string, at?: string) => void;
  paste: (text: string | null) => void;
  pasted: string | null;
}

const usable = (filter: string) => /^[^+#]*(?:\/?\+(?=\/|$)[^+#]*)*(?:\/?#)?$/.test(filter);
const made = (payload: string): Message => ({ at: new Date(0).toISOString(), outcome: 'passed', from: '', device: null, mapping: null, samples: 0, size: payload.length, cut: false, payload, payload_hex: null });

/* A new mapping that comes from a message begins with its topic and form. */
function fill(form: FormInstance, topic: string, payload: string | null) {
  if (form.getFieldValue(['spec', 'topic'])) return;
  const levels = topic.split('/');
  form.setFieldValue(['spec', 'topic'], topic);
  form.setFieldValue(['spec', 'form'], guessForm(payload));
  if (levels.length > 1) form.setFieldValue(['spec', 'device'], { from: 'topic', level: levels.length - 2 });
}

export function useSample(filter: string, form?: FormInstance): Sample {
  const [params] = useSearchParams();
  const wanted = params.get('sample') ?? '';
  const asked = useDebounced(filter || wanted, 300);
  const { data } = useApi<MqttRecentAnswer>(asked && usable(asked) ? '/mqtt/recent' : null, { topic: asked, size: 50 }, { every: 10000, keep: true });
  const [chosen, setChosen] = useState<{ topic: string; at?: string }>({ topic: wanted });
  const [pasted, paste] = useState<string | null>(null);
  const filled = useRef(false);
  const topics = data?.items ?? [];
  const topic = topics.find((x) => x.topic === chosen.topic) ?? topics[0];
  const message = pasted !== null ? made(pasted) : topic?.messages.find((m) => m.at === chosen.at) ?? topic?.messages[0];
  const first = topics[0]?.topic;
  useEffect(() => { // what was shown stays, also when others become newer
    if (first) setChosen((c) => (c.topic ? c : { topic: first }));
  }, [first]);
  useEffect(() => {
    if (filled.current || !form || !wanted || !topic || topic.topic !== wanted) return;
    filled.current = true;
    fill(form, wanted, topic.messages[0]?.payload ?? null);
  }, [form, wanted, topic]);
  return { topic: pasted !== null ? filter.replace(/[+#]/g, 'x') : topic?.topic ?? filter, topics, message, pick: (name, at) => { paste(null); setChosen({ topic: name, at }); }, paste, pasted };
}

export function SamplePicker({ sample }: { sample: Sample }) {
  const { t } = useTranslation();
  const topic = sample.topics.find((x) => x.topic === sample.topic);
  const at = sample.message?.at;
  return (
    <div className="col">
      <div className="row wrap">
        <span className="soft small">{t('mqtt.map.sample')}</span>
        {sample.topics.length > 0 && sample.pasted === null && <Select className="grow mono" showSearch value={sample.topic} onChange={(v) => sample.pick(v)} options={sample.topics.map((x) => ({ value: x.topic, label: x.topic }))} aria-label={t('mqtt.map.sampleTopic')} />}
        <Button size="small" onClick={() => sample.paste(sample.pasted === null ? sample.message?.payload ?? '' : null)}>{t(sample.pasted === null ? 'mqtt.map.paste' : 'mqtt.map.live')}</Button>
      </div>
      {sample.pasted === null && (topic?.messages.length ?? 0) > 1 && (
        <Radio.Group size="small" value={at} onChange={(e) => sample.pick(sample.topic, e.target.value as string)}>
          {topic?.messages.map((m) => <Radio.Button key={m.at} value={m.at}><RelativeTime at={m.at} /></Radio.Button>)}
        </Radio.Group>
      )}
      {sample.pasted !== null ? <Input.TextArea className="mono" rows={6} value={sample.pasted} onChange={(e) => sample.paste(e.target.value)} aria-label={t('mqtt.map.paste')} />
        : sample.message ? <pre className="map-payload">{sample.message.payload ?? sample.message.payload_hex}</pre>
          : <div className="muted small">{t('mqtt.map.noSample')}</div>}
      {sample.message?.cut && <div className="map-fault small">{t('mqtt.map.cut')}</div>}
    </div>
  );
}
