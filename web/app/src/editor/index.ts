import './editor.css';

export { EditorPage } from './editorPage';
