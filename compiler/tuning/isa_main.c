/* Prints which instruction-set features of the set MASK (see isa.h) this CPU lacks; an empty line if it has them all. */
#include "isa.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_TEXT = 1024 };

int main(int count, char **words)
{
    char text[MOST_TEXT];
    if (count != 2)
        return 1;
    separable_isa_text(strtoull(words[1], NULL, 10) & ~separable_isa_available(), text, sizeof text);
    return puts(text) < 0;
}
