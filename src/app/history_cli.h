/* history_cli.h - `bornite history get|write|import …`: history from the command line, as a client of the API. */
#pragma once
int history_main(int argc, char **argv);
