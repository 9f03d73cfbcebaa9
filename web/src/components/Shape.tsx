/* Small marks whose shape says what their colour says. */
export type ShapeName = 'dot' | 'ring' | 'triangle' | 'square' | 'diamond';

const paths: Record<ShapeName, (color: string) => React.ReactNode> = {
  dot: (c) => <circle cx="5" cy="5" r="4.5" fill={c} />,
  ring: (c) => <circle cx="5" cy="5" r="3.6" fill="none" stroke={c} strokeWidth="1.8" />,
  triangle: (c) => <path d="M5 .5 9.8 9.5H.2z" fill={c} />,
  square: (c) => <rect x=".5" y=".5" width="9" height="9" fill={c} />,
  diamond: (c) => <path d="M5 0 10 5 5 10 0 5z" fill={c} />,
};

export function Shape({ name, color }: { name: ShapeName; color: string }) {
  return <svg className="shape" viewBox="0 0 10 10" aria-hidden="true">{paths[name](color)}</svg>;
}
