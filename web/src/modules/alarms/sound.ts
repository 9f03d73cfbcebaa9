/* The alarm sound: two tones made by the browser, repeated until somebody acknowledges or mutes. Browsers
 * let a page sound only after the person has touched it; until then it stays silent and says so. */
import { readLocal, writeLocal } from '@/lib/browser';

const KEY = 'bornite.alarms.sound';
const EVERY_MS = 4000;
let context: AudioContext | null = null;
let timer = 0;

export const soundOn = () => readLocal<boolean>(KEY, true);
export const setSoundOn = (on: boolean) => writeLocal(KEY, on);

function tone(at: number, hz: number): void {
  if (!context) return;
  const osc = context.createOscillator();
  const gain = context.createGain();
  osc.frequency.value = hz;
  gain.gain.setValueAtTime(0.0001, at);
  gain.gain.exponentialRampToValueAtTime(0.2, at + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.22);
  osc.connect(gain).connect(context.destination);
  osc.start(at);
  osc.stop(at + 0.25);
}

function beep(priority: number): void {
  if (!navigator.userActivation?.hasBeenActive) return;
  context ??= typeof AudioContext === 'undefined' ? null : new AudioContext();
  if (!context) return;
  void context.resume();
  const high = priority === 1 ? 988 : 660;
  tone(context.currentTime, high);
  tone(context.currentTime + 0.3, priority === 1 ? high : 520);
}

/* Sound for the most urgent unacknowledged priority; 0 silences. */
export function sound(priority: number): void {
  window.clearInterval(timer);
  timer = 0;
  if (priority === 0 || !soundOn()) return;
  beep(priority);
  timer = window.setInterval(() => beep(priority), EVERY_MS);
}
