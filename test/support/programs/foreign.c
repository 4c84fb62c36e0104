/* System calls of other ABIs: i386 through int 0x80, x32 through the high bit. Prints what each returned. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static long i386(long number)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(0L), "c"(0L), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static long native(long number)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    return result;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "i386") == 0)
        printf("i386 getpid %ld\n", i386(20));
    else
        printf("x32 getpid %ld\n", native(0x40000000L | 39));
    return 0;
}
