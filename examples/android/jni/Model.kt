package org.separable

import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * A compiled model with one input and one output, both float32, for `libseparable_jni.so`.
 *
 * Use it as `Model(threads = 2).use { model -> ... }`. One run at a time; the calls of several threads take turns.
 *
 * @param threads how many threads compute; 0 is the default the model was compiled with.
 */
class Model(threads: Int = 0) : AutoCloseable {
    private var handle = nativeCreate(threads)

    /** Fill it before [run]: floats in the byte order of the phone, row-major. */
    val input: ByteBuffer = buffer(inputBytes())

    /** Holds the result after [run]. */
    val output: ByteBuffer = buffer(outputBytes())

    /** Computes [output] from [input]. */
    @Synchronized
    fun run() {
        check(handle != 0L) { "the model is closed" }
        nativeRun(handle, input, output)
    }

    /** Ends its threads and frees its memory. */
    @Synchronized
    override fun close() {
        if (handle != 0L) nativeDestroy(handle)
        handle = 0L
    }

    private companion object {
        init {
            System.loadLibrary("separable_jni")
        }

        fun buffer(bytes: Long): ByteBuffer = ByteBuffer.allocateDirect(bytes.toInt()).order(ByteOrder.nativeOrder())

        @JvmStatic external fun nativeCreate(threads: Int): Long

        @JvmStatic external fun nativeRun(handle: Long, input: ByteBuffer, output: ByteBuffer)

        @JvmStatic external fun nativeDestroy(handle: Long)

        @JvmStatic external fun inputBytes(): Long

        @JvmStatic external fun outputBytes(): Long
    }
}
