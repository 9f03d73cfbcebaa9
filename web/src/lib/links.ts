/* Paths of pages that other modules own. */
export const trendPath = (codes: string[]): string => `/trends?points=${codes.map(encodeURIComponent).join(',')}`;
export const connectionPath = (code: string): string => `/connections?open=${encodeURIComponent(code)}`;
export const areaPath = (path: string, bad = false): string => `/points?area=${encodeURIComponent(path)}${bad ? '&quality=bad' : ''}`;
