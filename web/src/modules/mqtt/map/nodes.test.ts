import { describe, expect, it } from 'vitest';
import { firstOf, guessForm, nodesOf } from './nodes';

describe('nodes of a message', () => {
  it('names members, elements and odd names as JSONPath', () => {
    const n = nodesOf('json', '{"a":{"b c":1},"l":[{"v":true}],"n":null}', null, {}) ?? [];
    expect(n.filter((x) => x.value !== undefined).map((x) => [x.place, x.key, x.value])).toEqual([["$.a['b c']", 'b c', '1'], ['$.l[0].v', 'v', 'true'], ['$.n', 'n', 'null']]);
    expect(n.find((x) => x.list)?.place).toBe('$.l');
  });
  it('shows the first record when there is a path of records', () => {
    expect(nodesOf('json', '{"l":[{"n":"x","v":1}]}', null, { each: '$.l[*]' })?.map((x) => x.place)).toEqual(['$.n', '$.v']);
    expect(nodesOf('json', '{"t":5,"l":[{"v":1}],"h":{"d":"x"}}', null, { each: '$.l[*]' })?.filter((x) => x.outer).map((x) => x.place)).toEqual(['$.t', '$.h.d']);
    expect(firstOf({ 'a b': [{ c: 5 }] }, "$['a b'][0].c")).toBe(5);
  });
  it('knows columns and bytes, and what is none of a form', () => {
    expect(nodesOf('csv', 't;flow\n1;2.5', null, {})?.map((x) => [x.place, x.value])).toEqual([['t', '1'], ['flow', '2.5']]);
    expect(nodesOf('csv', 'a,1', null, { header: false })?.map((x) => x.place)).toEqual(['1', '2']);
    expect(nodesOf('bytes', null, '01ff', {})?.map((x) => x.value)).toEqual(['0x01 1', '0xff 255']);
    expect(nodesOf('json', '{broken', null, {})).toBeNull();
  });
  it('guesses the form', () => {
    expect(['{"a":1}', 'a,b\n1,2', '23.5', null].map(guessForm)).toEqual(['json', 'csv', 'text', 'bytes']);
  });
});
