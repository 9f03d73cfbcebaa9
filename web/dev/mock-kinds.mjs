// Kinds of the mock that the tree's kind files do not have (yet), and one kind as a user makes it: a spare
// part with a life cycle, a photo and a sensitive price.
const t = (zh, en) => ({ zh, en });

export const sparePart = {
  kind: 'spare_part', plural: 'spare-parts', module: 'user', user: true, title: t('备件', 'Spare part'), titles: t('备件', 'Spare parts'),
  help: t('仓库中的备品备件。', 'Parts kept in the store.'), code: { required: false },
  fields: [
    { name: 'category', type: 'enum', required: true, default: 'mechanical', title: t('类别', 'Category'), values: [{ value: 'mechanical', title: t('机械', 'Mechanical') }, { value: 'electrical', title: t('电气', 'Electrical') }, { value: 'instrument', title: t('仪表', 'Instrument') }] },
    { name: 'model', type: 'string', max: 100, title: t('型号', 'Model'), example: '22330-E1A' },
    { name: 'quantity', type: 'integer', min: 0, max: 100000, default: 0, title: t('库存数量', 'In stock') },
    { name: 'price', type: 'number', min: 0, unit: 'CNY', sensitive: true, title: t('单价', 'Price') },
    { name: 'supplier', type: 'string', max: 200, title: t('供应商', 'Supplier') },
    { name: 'device', type: 'ref', kind: 'device', title: t('所属设备', 'Device') },
    { name: 'expires', type: 'time', title: t('有效期至', 'Use before'), show_if: { field: 'category', in: ['electrical', 'instrument'] } },
    { name: 'photo', type: 'file', accept: 'image', title: t('照片', 'Photo') },
    { name: 'size', type: 'object', title: t('尺寸', 'Size'), fields: [{ name: 'length', type: 'number', unit: 'mm', title: t('长', 'Length') }, { name: 'width', type: 'number', unit: 'mm', title: t('宽', 'Width') }] },
  ],
  lifecycle: {
    initial: 'draft',
    states: [{ state: 'draft', title: t('草稿', 'Draft'), color: 'blue' }, { state: 'pending', title: t('待审批', 'Pending'), color: 'gold', edit: false }, { state: 'approved', title: t('已批准', 'Approved'), color: 'green', edit: false, delete: false }],
    transitions: [
      { name: 'submit', title: t('提交', 'Submit'), from: ['draft'], to: 'pending', requires: ['supplier'] },
      { name: 'approve', title: t('批准', 'Approve'), from: ['pending'], to: 'approved', action: 'approve', comment: 'optional', four_eyes: true },
      { name: 'reject', title: t('退回', 'Send back'), from: ['pending'], to: 'draft', action: 'approve', comment: 'required' },
    ],
  },
  lists: { columns: ['code', 'name', 'state', 'category', 'quantity', 'price', 'supplier', 'updated_at'], sort: 'code' },
  form: { groups: [{ title: t('基本信息', 'Basics'), fields: ['category', 'model', 'quantity', 'price', 'supplier'] }, { title: t('使用', 'Use'), fields: ['device', 'expires', 'photo', 'size'] }] },
};

export const more = [
  {
    kind: 'org', plural: 'orgs', module: 'core', title: t('组织', 'Organisation'), titles: t('组织', 'Organisations'), code: { required: true },
    fields: [{ name: 'parent', type: 'ref', kind: 'org', title: t('上级', 'Parent') }, { name: 'type', type: 'enum', default: 'workshop', title: t('类型', 'Type'), values: ['group', 'enterprise', 'plant', 'workshop', 'area', 'department', 'team'].map((v) => ({ value: v })) }],
  },
  {
    kind: 'saved_view', plural: 'saved-views', module: 'core', title: t('视图', 'Saved view'), titles: t('保存的视图', 'Saved views'), code: {},
    fields: [
      { name: 'kind', type: 'string', required: true, title: t('对象类型', 'Kind') }, { name: 'query', type: 'json', title: t('条件', 'Query') }, { name: 'columns', type: 'json', title: t('列', 'Columns') },
      { name: 'sort', type: 'string', title: t('排序', 'Sort') }, { name: 'density', type: 'string', title: t('行高', 'Density') }, { name: 'shared', type: 'boolean', title: t('共享', 'Shared') }, { name: 'roles', type: 'array', items: { type: 'ref', kind: 'role' }, title: t('共享给角色', 'Shared with roles') },
    ],
  },
  {
    kind: 'code_rule', plural: 'code-rules', module: 'core', title: t('编码规则', 'Code rule'), titles: t('编码规则', 'Code rules'), code: { required: true },
    help: t('没有填写编码的新建对象按此规则取下一个编码。', 'A new resource without a code takes the next one of its rule.'),
    fields: [
      { name: 'kind', type: 'string', required: true, title: t('对象类型', 'Kind') }, { name: 'pattern', type: 'string', required: true, title: t('格式', 'Pattern'), example: 'SP-{org}-{yyyy}{mm}-{n:5}{check}', help: t('{org} 组织，{yyyy} {mm} {dd} 日期，{n:5} 五位流水号，{check} 校验位', '{org}, {yyyy} {mm} {dd}, {n:5} running number of five digits, {check}') },
      { name: 'start', type: 'integer', default: 1, title: t('起始', 'Start') }, { name: 'step', type: 'integer', default: 1, min: 1, title: t('步长', 'Step') },
      { name: 'reset', type: 'enum', default: 'none', title: t('重新计数', 'Starts again'), values: [['none', '不', 'never'], ['year', '每年', 'yearly'], ['month', '每月', 'monthly'], ['day', '每日', 'daily']].map(([value, zh, en]) => ({ value, title: t(zh, en) })) },
      { name: 'per_org', type: 'boolean', default: false, title: t('各组织分别计数', 'Per organisation') },
      { name: 'check', type: 'enum', default: 'none', title: t('校验位', 'Check digit'), values: ['none', 'luhn', 'mod11_2', 'mod97_10'].map((value) => ({ value })) },
    ],
    lists: { columns: ['code', 'name', 'kind', 'pattern', 'reset', 'updated_at'] },
  },
  {
    kind: 'user_kind', plural: 'user-kinds', module: 'core', title: t('自定义类型', 'User kind'), titles: t('自定义类型', 'User kinds'), code: { required: true },
    help: t('用户自己建立的对象类型。', 'Kinds made by users.'),
    fields: [{ name: 'document', type: 'json', required: true, title: t('文档', 'Document') }, { name: 'renames', type: 'json', title: t('改名', 'Renames') }, { name: 'on_loss', type: 'enum', default: 'refuse', values: [{ value: 'refuse' }, { value: 'drop' }], title: t('数据会丢失时', 'On loss') }],
    lists: { columns: ['code', 'name', 'updated_at'] },
  },
];
