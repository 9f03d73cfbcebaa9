/* banned.h - functions that must not be used; included by every translation unit through -include. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#pragma GCC poison strcpy strcat sprintf vsprintf strtok strtok_r gets gmtime localtime asctime ctime atoi atol atoll atof
#pragma GCC poison tmpnam mktemp
