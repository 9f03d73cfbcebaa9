/* The names that the UI gives to the API's types. The types themselves are generated (api.gen.ts); here is
 * only what TypeScript adds: the envelope with a spec of choice, a page of anything. */
import type * as api from './api.gen';
import type { KindDoc } from './pending';

export type {
  Fault, Link, PointSpec, Report as BulkReport, ReportRow as BulkRow, Text as LText, GetSessionAnswer as Session, GetSessionsAnswer as SessionsAnswer,
  GetTokensAnswer as TokensAnswer, PostTokensAnswer as NewToken, GetAuditAnswer as AuditAnswer,
  GetCurrentAnswer as CurrentAnswer, GetHistoryPlotAnswer as HistoryAnswer, GetHistorySummaryAnswer as SummaryAnswer,
  GetAreasAnswer as AreasAnswer, GetPointsTreeAnswer as TreeAnswer, GetDriversAnswer as DriversAnswer,
  GetChannelsStatusAnswer as ChannelsAnswer, GetChannelsIdDiagnosticsAnswer as Diagnostics,
  GetPointsIdHistoryAnswer as ChangesAnswer, PostChannelsTestAnswer as TestAnswer,
  PostChannelsReadAnswer as ReadAnswer, PostPointsBulkBody as BulkBody, PostPointsIdWriteAnswer as WriteAnswer,
} from './api.gen';
export type { FieldDoc, FieldType, KindDoc } from './pending';

export interface KindsAnswer {
  items: KindDoc[];
}

export type Spec = Record<string, unknown>;
export type Resource<S = Spec> = Omit<api.Resource, 'spec'> & { spec: S; org_ref?: api.Link };
export type ResourceInput<S = Spec> = Omit<api.ResourceInput, 'spec'> & { spec?: Partial<S> };
export type Page<T> = Omit<api.PointList, 'items'> & { items: T[] };
export type BulkItem = api.PostPointsBulkBody['items'][number];
export type HistoryEntry = api.GetPointsIdHistoryAnswer['items'][number];

export type CurrentItem = api.GetCurrentAnswer['items'][number];
export type QualityName = CurrentItem['q'];
export type Series = api.GetHistoryPlotAnswer['series'][number];
export type SummaryRow = NonNullable<api.GetHistorySummaryAnswer['series']>[number]['rows'][number];

export type AreaItem = api.GetAreasAnswer['items'][number];
export type TreeItem = api.GetPointsTreeAnswer['items'][number];
export type ChannelStatus = api.GetChannelsStatusAnswer['items'][number];
export type ChannelState = ChannelStatus['state'];
export type Frame = api.GetChannelsIdDiagnosticsAnswer['frames'][number];
export type DeviceStatus = api.GetChannelsIdDiagnosticsAnswer['devices'][number];
export type Outlet = api.GetOutletsAnswer['items'][number];
export type ForwardStatus = api.GetForwardsStatusAnswer['items'][number];
export type ForwardDiagnostics = api.GetForwardsIdDiagnosticsAnswer;
export type ForwardPoints = api.GetForwardsIdPointsAnswer;
export type AssignAnswer = api.PostForwardsIdAssignAnswer;
export type Driver = api.GetDriversAnswer['items'][number];
export type BrowseItem = api.PostChannelsBrowseAnswer['items'][number];
export type ReadItem = api.PostChannelsReadAnswer['items'][number];

export type Grant = NonNullable<api.RoleSpec['permissions']>[number];
export type SessionRow = api.GetSessionsAnswer['items'][number];
export type Token = api.GetTokensAnswer['items'][number];
export type AuditRow = api.GetAuditAnswer['items'][number];
