/* Runs for ever without a system call. */
int main(void)
{
    volatile unsigned long count = 0;
    for (;;)
        count++;
}
