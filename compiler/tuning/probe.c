/* The tiny program that `separable doctor` lets a device run: reads a file, writes it to its output. */
#include <stdio.h>

int main(int count, char **words)
{
    FILE *file = count == 2 ? fopen(words[1], "rb") : NULL;
    if (!file)
        return 1;
    for (int c; (c = getc(file)) != EOF;)
        putchar(c);
    return ferror(file) || fflush(stdout) != 0;
}
