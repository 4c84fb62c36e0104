/* The bare zygote: no runtime, so nothing to fork; it makes sandboxes in which programs are exec'ed. */
#include "zygote.h"

int main(void)
{
    cloche_zygote_serve(3, 0);
    return 1;
}
