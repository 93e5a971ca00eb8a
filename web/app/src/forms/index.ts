import './forms.css';

export { Dialog } from './dialog';
export { ColourField, Field, NumberField, SelectField, TextField } from './fields';
export { AnyField, ByColumnField, FlagField, readStates, StatesField, writeStates } from './listFields';
