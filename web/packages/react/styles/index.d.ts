/** A style sheet gives nothing to import; this is for compilers that look for its types. */
export {};
