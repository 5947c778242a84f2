/* The functions of Model.kt: one compiled model with one input and one output, both float32. */
#include MODEL_HEADER

#include <jni.h>
#include <stddef.h>
#include <stdint.h>

#define JOIN_AGAIN(model, name) model##_##name
#define JOIN(model, name) JOIN_AGAIN(model, name)
#define API(name) JOIN(MODEL, name)

_Static_assert(API(INPUT_COUNT) == 1 && API(OUTPUT_COUNT) == 1, "the wrapper has one input and one output");
static const jlong input_bytes[] = API(INPUT_BYTES);
static const jlong output_bytes[] = API(OUTPUT_BYTES);

static separable_handle *handle_of(jlong handle)
{
    return (separable_handle *)(intptr_t)handle;
}

/* Makes Kotlin see an exception when this returns to it. */
static void throw(JNIEnv *env, const char *type, const char *message)
{
    jclass class = (*env)->FindClass(env, type);
    if (class)
        (*env)->ThrowNew(env, class, message);
}

JNIEXPORT jlong JNICALL Java_org_separable_Model_nativeCreate(JNIEnv *env, jclass class, jint threads)
{
    (void)class;
    separable_options options = {.struct_size = sizeof options, .threads = threads};
    separable_handle *handle = NULL;
    if (API(create)(&options, &handle) == SEPARABLE_OK)
        return (jlong)(intptr_t)handle;
    throw(env, "java/lang/IllegalStateException", API(last_error)(handle));
    API(destroy)(handle);
    return 0;
}

/* The address of a direct buffer; NULL, with an exception, unless it is aligned for floats and of the right size. */
static void *address_of(JNIEnv *env, jobject buffer, jlong bytes, const char *message)
{
    void *address = (*env)->GetDirectBufferAddress(env, buffer);
    if (address && (*env)->GetDirectBufferCapacity(env, buffer) == bytes && (uintptr_t)address % sizeof(float) == 0)
        return address;
    throw(env, "java/lang/IllegalArgumentException", message);
    return NULL;
}

JNIEXPORT void JNICALL Java_org_separable_Model_nativeRun(JNIEnv *env, jclass class, jlong handle, jobject input,
                                                          jobject output)
{
    (void)class;
    const void *inputs[] = {address_of(env, input, input_bytes[0], "input: wrong size, or no direct buffer")};
    if (!inputs[0])
        return;
    void *outputs[] = {address_of(env, output, output_bytes[0], "output: wrong size, or no direct buffer")};
    if (outputs[0] && API(run)(handle_of(handle), inputs, outputs) != SEPARABLE_OK)
        throw(env, "java/lang/IllegalStateException", API(last_error)(handle_of(handle)));
}

JNIEXPORT void JNICALL Java_org_separable_Model_nativeDestroy(JNIEnv *env, jclass class, jlong handle)
{
    (void)env;
    (void)class;
    API(destroy)(handle_of(handle));
}

JNIEXPORT jlong JNICALL Java_org_separable_Model_inputBytes(JNIEnv *env, jclass class)
{
    (void)env;
    (void)class;
    return input_bytes[0];
}

JNIEXPORT jlong JNICALL Java_org_separable_Model_outputBytes(JNIEnv *env, jclass class)
{
    (void)env;
    (void)class;
    return output_bytes[0];
}
