/* hj212_options.c - see hj212_options.h. */
#include "drivers/common/hj212_options.h"
#include "base/error.h"

int hj212_word_check(const struct options *o, const char *name, struct error *e)
{
    for (const char *p = opt_str(o, name, ""); *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || strchr(";,=&#", *p))
            return error_set(
                e, ERR_INVALID, name,
                "letters, digits and signs only, no blank: ';', ',', '=', '&' and '#' have a meaning in HJ 212 "
                "and cannot be part of it",
                "只能为不含空格的字母、数字和符号；不能包含 HJ 212 的分隔符“;”“,”“=”“&”“#”");
    return 0;
}
