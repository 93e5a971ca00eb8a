import './editor.css';

export { EditorGate } from './gate';
