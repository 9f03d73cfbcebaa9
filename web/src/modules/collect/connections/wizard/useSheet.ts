/* The rows of the table of points: changing cells, adding, pasting, filling down. */
import { useCallback, useState } from 'react';
import { COLUMNS, isBlank, type Column, type Row } from './sheet';

export type Cells = Partial<Record<Column, string>>;

let keys = 1;

export function newRow(cells: Cells = {}): Row {
  return { key: keys++, cells, errors: {} };
}

function cleared(row: Row, columns: Column[]): Row['errors'] {
  const errors = { ...row.errors };
  for (const c of columns) delete errors[c];
  delete errors.row;
  return errors;
}

export function useSheet() {
  const [rows, setRows] = useState<Row[]>(() => [newRow()]);

  const setCell = useCallback((key: number, column: Column, text: string) => setRows((was) => was.map((r) => (r.key === key ? { ...r, cells: { ...r.cells, [column]: text }, errors: cleared(r, [column]) } : r))), []);
  const remove = useCallback((key: number) => setRows((was) => {
    const left = was.filter((r) => r.key !== key);
    return left.length > 0 ? left : [newRow()];
  }), []);
  /* New rows after those that hold something; empty rows at the end go. */
  const append = useCallback((cells: Cells[]) => setRows((was) => {
    const kept = [...was];
    while (kept.length > 0 && isBlank(kept[kept.length - 1])) kept.pop();
    return [...kept, ...cells.map((c) => newRow(c))];
  }), []);
  /* Pasted cells go over the rows from `key` on; more rows are made as needed. */
  const overlay = useCallback((key: number, cells: Cells[]) => setRows((was) => {
    const at = Math.max(0, was.findIndex((r) => r.key === key));
    const next = [...was];
    cells.forEach((c, i) => {
      const there = next[at + i];
      next[at + i] = there ? { ...there, cells: { ...there.cells, ...c }, errors: cleared(there, Object.keys(c) as Column[]) } : newRow(c);
    });
    return next;
  }), []);
  const fillDown = useCallback((key: number, column: Column) => setRows((was) => {
    const at = was.findIndex((r) => r.key === key);
    const text = was[at]?.cells[column] ?? '';
    return was.map((r, i) => (i > at ? { ...r, cells: { ...r.cells, [column]: text }, errors: cleared(r, [column]) } : r));
  }), []);
  const setErrors = useCallback((errors: Map<number, Row['errors']>) => setRows((was) => was.map((r) => {
    const mine = errors.get(r.key);
    return mine || Object.keys(r.errors).length > 0 ? { ...r, errors: mine ?? {} } : r;
  })), []);
  const clear = useCallback(() => setRows([newRow()]), []);
  return { rows, setCell, remove, append, overlay, fillDown, setErrors, clear };
}

export type Sheet = ReturnType<typeof useSheet>;

export function filled(rows: Row[]): Row[] {
  return rows.filter((r) => COLUMNS.some((c) => (r.cells[c] ?? '').trim() !== '') && !isBlank(r));
}
