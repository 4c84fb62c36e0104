/* Every dead process of the sandbox ends here: children of init's own, the worker's, and whatever was orphaned. */
#ifndef CLOCHE_REAPER_H
#define CLOCHE_REAPER_H

#include <stdbool.h>

bool reaper_open(void);

/* Reaps what is due, a bounded number at a time so that an army of zombies holds up nobody. True when there is more to
 * do at once. */
bool reaper_continue(void);

#endif
