/* audit.h - `bornite audit verify`: does the log of a node hold? Reads the database, running or not. */
#pragma once
int audit_main(int argc, char **argv);
