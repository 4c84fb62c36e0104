/* Emptying the sandbox of what its user left. Both run as the user and return 0 or an errno after complaining. */
#ifndef CLOCHE_WIPE_H
#define CLOCHE_WIPE_H

/* The System V IPC objects, then the places. */
int wipe_everything(char **args);

#endif
