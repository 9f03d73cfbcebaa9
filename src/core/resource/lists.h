/* lists.h - what the lists of a kernel keep between calls; for list_*.c only. */
#pragma once
#include <pthread.h>
#include <stdbool.h>

struct tally;
struct lists {
    pthread_mutex_t lock; /* of the tallies */
    struct tally *tallies;
    pthread_mutex_t index_lock; /* of what follows */
    pthread_cond_t index_done;
    pthread_t builder;
    bool started, building; /* a thread that has not been joined; it is still at work */
};
void tallies_free(struct tally *t);
